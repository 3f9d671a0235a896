package main

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
)

// wish is what a customer wants.
type wish struct {
	Article  string `json:"article"`
	Quantity int    `json:"quantity"`
}

// sale is what order answers, and who took part. Without a wish nothing is sold: then it says only who would.
type sale struct {
	By        string `json:"by"`
	ProductBy string `json:"productBy"`
	PaymentBy string `json:"paymentBy"`
	Order     string `json:"order,omitempty"`
	Article   string `json:"article,omitempty"`
	Quantity  int    `json:"quantity,omitempty"`
	Total     cents  `json:"total,omitempty"`
}

// mostAtOnce keeps the total within an int, and the stock for others.
const mostAtOnce = 100

// order takes orders: it asks product for the price, and payment for the money.
type order struct {
	shop
	product, payment client
}

func (o order) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", o.whoWould)
	mux.HandleFunc("POST /{$}", o.sell)
	return mux
}

// whoWould asks the others whether they are there.
func (o order) whoWould(w http.ResponseWriter, r *http.Request) {
	var goods catalogue
	var paid receipt
	err := atOnce(
		func() error { return o.product.call(r.Context(), http.MethodGet, "/", nil, &goods) },
		func() error { return o.payment.call(r.Context(), http.MethodGet, "/", nil, &paid) })
	if err != nil {
		o.fail(w, r, err)
		return
	}
	reply(w, sale{By: o.host, ProductBy: goods.By, PaymentBy: paid.By})
}

func (o order) sell(w http.ResponseWriter, r *http.Request) {
	var want wish
	err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1024)).Decode(&want)
	if err != nil || want.Article == "" || want.Quantity < 1 || want.Quantity > mostAtOnce {
		http.Error(w, "an order has an article and a quantity from 1 to 100", http.StatusBadRequest)
		return
	}
	var goods catalogue
	if err := o.product.call(r.Context(), http.MethodGet, "/"+url.PathEscape(want.Article), nil, &goods); err != nil {
		o.fail(w, r, err)
		return
	}
	if len(goods.Articles) != 1 {
		o.fail(w, r, errors.New("product knows no price"))
		return
	}
	s := sale{By: o.host, ProductBy: goods.By, Order: number(r.Context()), Article: want.Article, Quantity: want.Quantity,
		Total: goods.Articles[0].Price * cents(want.Quantity)}
	var paid receipt
	if err := o.payment.call(r.Context(), http.MethodPost, "/", bill{Order: s.Order, Amount: s.Total}, &paid); err != nil {
		o.fail(w, r, err)
		return
	}
	s.PaymentBy = paid.By
	o.log.Info("sold", "request", s.Order, "article", s.Article, "quantity", s.Quantity, "total", s.Total,
		"product", s.ProductBy, "payment", s.PaymentBy)
	reply(w, s)
}

// fail passes another part's refusal on, and says of one that does not answer that it does not.
func (s shop) fail(w http.ResponseWriter, r *http.Request, err error) {
	s.log.Warn("failed", "request", number(r.Context()), "error", err)
	status := http.StatusBadGateway
	if refused := (*refusal)(nil); errors.As(err, &refused) && refused.status < http.StatusInternalServerError {
		status = refused.status
	}
	http.Error(w, err.Error(), status)
}
