package main

import (
	"encoding/json"
	"fmt"
	"net/http"
)

// article is something for sale.
type article struct {
	ID    string `json:"id"`
	Name  string `json:"name"`
	Price cents  `json:"price"`
}

// cents is an amount of money: fractions of cents are for banks.
type cents int

func (c cents) String() string { return fmt.Sprintf("%d.%02d", int(c)/100, int(c)%100) }

// catalogue is what product answers.
type catalogue struct {
	By       string    `json:"by"`
	Articles []article `json:"articles"`
}

// product knows what is for sale.
type product struct{ shop }

var articles = []article{
	{"tea", "a box of tea", 450},
	{"mug", "a mug for it", 1200},
	{"whale", "a small blue whale", 9900},
}

func (p product) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		p.log.Info("catalogue", "request", number(r.Context()), "articles", len(articles))
		reply(w, catalogue{By: p.host, Articles: articles})
	})
	mux.HandleFunc("GET /{id}", func(w http.ResponseWriter, r *http.Request) {
		for _, a := range articles {
			if a.ID == r.PathValue("id") {
				p.log.Info("price", "request", number(r.Context()), "article", a.ID, "price", a.Price)
				reply(w, catalogue{By: p.host, Articles: []article{a}})
				return
			}
		}
		http.Error(w, fmt.Sprintf("there is no %q for sale", r.PathValue("id")), http.StatusNotFound)
	})
	return mux
}

// reply writes v as JSON. An error is the customer's, who is gone.
func reply(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}
