package main

import (
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"strconv"
	"strings"
	"text/tabwriter"
)

// frontend is what customers see. A shop whose other parts are gone is still there, and says what it cannot do.
type frontend struct {
	shop
	product, order client
}

func (f frontend) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", f.show)
	mux.HandleFunc("POST /buy", f.buy)
	return mux
}

// page is what a customer gets to see, in a browser or in a terminal.
type page struct {
	Shop, Host, Currency string
	Articles             []article
	Rows                 [][2]string // part, and the pod that answered or why none did
	Sale                 *sale       // of what was just bought
}

// show asks product what is for sale, and order who would take part in a sale.
func (f frontend) show(w http.ResponseWriter, r *http.Request) {
	p := f.newPage()
	var goods catalogue
	var would sale
	var noGoods, noSale error
	_ = atOnce( // who does not answer is shown, too
		func() error { noGoods = f.product.call(r.Context(), http.MethodGet, "/", nil, &goods); return nil },
		func() error { noSale = f.order.call(r.Context(), http.MethodGet, "/", nil, &would); return nil })
	p.Articles = goods.Articles
	if noGoods != nil {
		p.add("product", noGoods.Error())
	} else {
		p.add("product", goods.By)
	}
	if noSale != nil {
		p.add("order", noSale.Error())
	} else {
		p.addSale(would)
	}
	f.log.Info("shown", "request", number(r.Context()), "articles", len(p.Articles), "order", would.By)
	p.write(w, r)
}

// buy lets order sell what the customer asks for: ?article=tea&quantity=2, or the same as a form.
func (f frontend) buy(w http.ResponseWriter, r *http.Request) {
	want := wish{Article: r.FormValue("article"), Quantity: 1}
	if text := r.FormValue("quantity"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil {
			http.Error(w, fmt.Sprintf("the quantity %q is no number", text), http.StatusBadRequest)
			return
		}
		want.Quantity = n
	}
	var sold sale
	if err := f.order.call(r.Context(), http.MethodPost, "/", want, &sold); err != nil {
		f.fail(w, r, err)
		return
	}
	f.log.Info("bought", "request", number(r.Context()), "article", sold.Article, "quantity", sold.Quantity,
		"total", sold.Total)
	p := f.newPage()
	p.Sale = &sold
	p.addSale(sold)
	p.write(w, r)
}

func (f frontend) newPage() page { return page{Shop: f.name, Host: f.host, Currency: f.currency} }

func (p *page) add(part, text string) { p.Rows = append(p.Rows, [2]string{part, text}) }

func (p *page) addSale(s sale) {
	p.add("order", s.By)
	p.add("order → product", s.ProductBy)
	p.add("order → payment", s.PaymentBy)
}

// write answers a browser with HTML, and everybody else with text. An error is the customer's, who is gone.
func (p page) write(w http.ResponseWriter, r *http.Request) {
	if strings.Contains(r.Header.Get("Accept"), "text/html") {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_ = html.Execute(w, p)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	out := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	var errs []error
	line := func(format string, args ...any) {
		_, err := fmt.Fprintf(out, format+"\n", args...)
		errs = append(errs, err)
	}
	line("%s, served by %s", p.Shop, p.Host)
	if p.Sale != nil {
		line("\nsold: %d × %s for %s %s, order %s", p.Sale.Quantity, p.Sale.Article, p.Sale.Total, p.Currency, p.Sale.Order)
	}
	for i, a := range p.Articles {
		if i == 0 {
			line("\nfor sale:")
		}
		line("  %s\t%s\t%s %s", a.ID, a.Name, a.Price, p.Currency)
	}
	line("\nanswered by:")
	for _, row := range p.Rows {
		line("  %s\t%s", row[0], row[1])
	}
	_ = errors.Join(append(errs, out.Flush())...)
}

var html = template.Must(template.New("page").Parse(`<!doctype html>
<meta charset="utf-8"><title>{{.Shop}}</title>
<style>body{font:1.1em/1.5 sans-serif;margin:3em auto;max-width:40em}td{padding:.2em 1em .2em 0}</style>
<h1>{{.Shop}}</h1>
{{with .Sale}}<p>Sold: {{.Quantity}} × {{.Article}} for {{.Total}} {{$.Currency}}, order {{.Order}}.
<a href="/">Back</a></p>{{end}}
<form method="post" action="/buy"><table>{{range .Articles}}
<tr><td>{{.Name}}<td>{{.Price}} {{$.Currency}}<td><button name="article" value="{{.ID}}">Buy</button>{{end}}
</table></form>
<p>Served by {{.Host}}, which asked:</p>
<table>{{range .Rows}}
<tr><td>{{index . 0}}<td>{{index . 1}}{{end}}
</table>
`))
