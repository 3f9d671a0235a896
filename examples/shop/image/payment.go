package main

import (
	"encoding/json"
	"net/http"
)

// bill is what order asks payment to be paid.
type bill struct {
	Order  string `json:"order"`
	Amount cents  `json:"amount"`
}

// receipt is what payment answers. Without a bill only By is set: it is there, and took nothing.
type receipt struct {
	By       string `json:"by"`
	Order    string `json:"order,omitempty"`
	Amount   cents  `json:"amount,omitempty"`
	Currency string `json:"currency,omitempty"`
}

// payment takes the money. The key would open a bank's door; it is never logged, and nobody else has it.
type payment struct {
	shop
	key string
}

func (p payment) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) { reply(w, receipt{By: p.host}) })
	mux.HandleFunc("POST /{$}", p.pay)
	return mux
}

func (p payment) pay(w http.ResponseWriter, r *http.Request) {
	var b bill
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1024)).Decode(&b); err != nil || b.Amount <= 0 || b.Order == "" {
		http.Error(w, "a bill has an order and an amount", http.StatusBadRequest)
		return
	}
	p.log.Info("paid", "request", number(r.Context()), "order", b.Order, "amount", b.Amount, "currency", p.currency)
	reply(w, receipt{By: p.host, Order: b.Order, Amount: b.Amount, Currency: p.currency})
}
