package certificates

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"strings"
	"time"

	certificatesv1 "k8s.io/api/certificates/v1"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"minik.dev/apiserver/resources"
	"minik.dev/apiserver/resources/printers"
	"minik.dev/apiserver/resources/validation"
)

func clusterTrustBundles() *resources.Resource {
	signer := resources.Of(func(b *certificatesv1.ClusterTrustBundle) string { return b.Spec.SignerName })
	return &resources.Resource{
		Kind:          certificatesv1.SchemeGroupVersion.WithKind("ClusterTrustBundle"),
		Plural:        "clustertrustbundles",
		ClusterScoped: true,
		Conditional:   true,
		New:           func() resources.Object { return &certificatesv1.ClusterTrustBundle{} },
		NewList:       func() runtime.Object { return &certificatesv1.ClusterTrustBundleList{} },
		Name:          func(string, bool) []string { return nil }, // validateTrustBundle knows what it has to begin with
		Validate:      resources.Check(validateTrustBundle),
		Fields: resources.Of(func(b *certificatesv1.ClusterTrustBundle) fields.Set {
			return fields.Set{"spec.signerName": b.Spec.SignerName}
		}),
		Indexed: resources.Index{Field: "spec.signerName", Of: signer},
		Columns: []metav1.TableColumnDefinition{
			printers.NameColumn(0),
			printers.Column("SignerName", "string", 0, certificatesv1.ClusterTrustBundleSpec{}.SwaggerDoc()["signerName"]),
		},
		Cells: resources.Cells(func(b *certificatesv1.ClusterTrustBundle, _ time.Time) []any {
			return []any{b.Name, printers.OrNone(b.Spec.SignerName)}
		}),
	}
}

func validateTrustBundle(b, old *certificatesv1.ClusterTrustBundle) field.ErrorList {
	spec, path, meta := &b.Spec, field.NewPath("spec"), field.NewPath("metadata")
	var errs field.ErrorList
	if b.Name != "" {
		errs = append(errs, validation.Invalid(meta.Child("name"), b.Name, bundleName(spec.SignerName, b.Name, false))...)
	}
	if b.GenerateName != "" {
		errs = append(errs, validation.Invalid(meta.Child("generateName"), b.GenerateName, bundleName(spec.SignerName, b.GenerateName, true))...)
	}
	if spec.SignerName != "" {
		errs = append(errs, validation.SignerName(path.Child("signerName"), spec.SignerName)...)
	}
	if old == nil || spec.TrustBundle != old.Spec.TrustBundle {
		errs = append(errs, validateAnchors(path.Child("trustBundle"), spec.TrustBundle)...)
	}
	if old != nil {
		errs = append(errs, validation.Immutable(path.Child("signerName"), spec.SignerName, old.Spec.SignerName)...)
	}
	return errs
}

// bundleName says what is wrong with the name of a bundle: those of a signer are named after it, "example.com:signer:name", and others
// have no colon.
func bundleName(signer, name string, prefix bool) []string {
	if signer == "" {
		if strings.Contains(name, ":") {
			return []string{`ClusterTrustBundle without signer name must not have ":" in its name`}
		}
		return apivalidation.NameIsDNSSubdomain(name, prefix)
	}
	begins := strings.ReplaceAll(signer, "/", ":") + ":"
	if !strings.HasPrefix(name, begins) {
		return []string{fmt.Sprintf("ClusterTrustBundle for signerName %s must be named with prefix %s", signer, begins)}
	}
	return apivalidation.NameIsDNSSubdomain(strings.TrimPrefix(name, begins), prefix)
}

// maxTrustBundle is how large a bundle may be, in bytes.
const maxTrustBundle = 1 << 20

// validateAnchors takes the certificates of authorities in PEM, one at least, and each once.
func validateAnchors(path *field.Path, text string) field.ErrorList {
	if len(text) > maxTrustBundle {
		return field.ErrorList{field.TooLong(path, "", maxTrustBundle)}
	}
	var errs field.ErrorList
	wrong := func(format string, args ...any) {
		errs = append(errs, field.Invalid(path, "<value omitted>", fmt.Sprintf(format, args...)))
	}
	at := map[string][]int{}
	var order []string
	block, rest := pem.Decode([]byte(text))
	for i := 0; block != nil; i++ {
		if why := wrongAnchor(block); why != "" {
			wrong("entry %d %s", i, why)
		} else {
			anchor := string(block.Bytes)
			if at[anchor] == nil {
				order = append(order, anchor)
			}
			at[anchor] = append(at[anchor], i)
		}
		block, rest = pem.Decode(rest)
	}
	if len(errs) > 0 {
		return errs
	}
	if len(order) == 0 {
		wrong("at least one trust anchor must be provided")
	}
	for _, anchor := range order {
		if len(at[anchor]) > 1 {
			wrong("duplicate trust anchor (indices %v)", at[anchor])
		}
	}
	return errs
}

// wrongAnchor says why a block is no authority's certificate; empty is one.
func wrongAnchor(block *pem.Block) string {
	if block.Type != "CERTIFICATE" {
		return "has bad block type: " + block.Type
	}
	if len(block.Headers) > 0 {
		return "has PEM block headers"
	}
	certificate, err := x509.ParseCertificate(block.Bytes)
	switch {
	case err != nil:
		return "does not parse as X.509"
	case !certificate.IsCA:
		return "does not have the CA bit set"
	case !certificate.BasicConstraintsValid:
		return "has invalid basic constraints"
	}
	return ""
}
