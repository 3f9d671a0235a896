package podspec

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	"k8s.io/apimachinery/pkg/util/sets"
	utilvalidation "k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"minik.dev/apiserver/resources/validation"
)

// The checks of projected volumes: one directory that is filled from several sources.

// validateProjections asks each entry for exactly one source, and all of them for different paths.
func validateProjections(at *field.Path, sources []corev1.VolumeProjection) field.ErrorList {
	var errs field.ErrorList
	paths := sets.New[string]()
	place := func(p, shown string) {
		if p != "" && paths.Has(p) {
			errs = append(errs, field.Invalid(at, shown, "conflicting duplicate paths"))
		}
		paths.Insert(p)
	}
	for i, source := range sources {
		from, count := at.Child("sources").Index(i), 0
		if s := source.Secret; s != nil {
			count++
			errs = append(errs, validation.Required(from.Child("secret", "name"), s.Name)...)
			errs = append(errs, validateItems(from.Child("secret", "items"), s.Items)...)
			for _, item := range s.Items {
				place(item.Path, s.Name) // upstream names the source
			}
		}
		if s := source.ConfigMap; s != nil {
			count++
			errs = append(errs, validation.Required(from.Child("configMap", "name"), s.Name)...)
			errs = append(errs, validateItems(from.Child("configMap", "items"), s.Items)...)
			for _, item := range s.Items {
				place(item.Path, s.Name)
			}
		}
		if s := source.DownwardAPI; s != nil {
			count++
			errs = append(errs, validateDownwardFiles(from.Child("downwardAPI"), s.Items)...)
			for _, item := range s.Items {
				place(item.Path, item.Path)
			}
		}
		if s := source.ServiceAccountToken; s != nil {
			count++
			seconds := from.Child("serviceAccountToken", "expirationSeconds")
			if e := s.ExpirationSeconds; e != nil && *e < 10*60 {
				errs = append(errs, field.Invalid(seconds, *e, "may not specify a duration less than 10 minutes"))
			} else if e != nil && *e > 1<<32 {
				errs = append(errs, field.Invalid(seconds, *e, "may not specify a duration larger than 2^32 seconds"))
			}
			errs = append(errs, validation.Required(at.Child("path"), s.Path)...)
			errs = append(errs, filePath(at.Child("path"), s.Path)...)
			errs = append(errs, owner(from.Child("serviceAccountToken", "user"), s.User)...)
		}
		if s := source.ClusterTrustBundle; s != nil {
			count++
			errs = append(errs, validateTrustBundle(from.Child("clusterTrustBundle"), s)...)
			if paths.Has(s.Path) {
				errs = append(errs, field.Invalid(at, s.Path, "conflicting duplicate paths"))
			}
			paths.Insert(s.Path)
		}
		if s := source.PodCertificate; s != nil {
			count++
			errs = append(errs, validatePodCertificate(from.Child("podCertificate"), s)...)
			place(s.CredentialBundlePath, s.CredentialBundlePath)
			place(s.KeyPath, s.KeyPath)
			place(s.CertificateChainPath, s.CertificateChainPath)
		}
		if count > 1 {
			errs = append(errs, field.Forbidden(from, "may not specify more than 1 volume type per source"))
		}
	}
	return errs
}

// validateTrustBundle takes the certificates of one object by its name, or those of one signer. The objects of a signer are named after
// it: "example.com:signer:name".
func validateTrustBundle(at *field.Path, s *corev1.ClusterTrustBundleProjection) field.ErrorList {
	var errs field.ErrorList
	switch {
	case s.Name != nil && s.SignerName != nil:
		errs = append(errs, field.Invalid(at, s, "only one of name and signerName may be used"))
	case s.Name != nil:
		errs = append(errs, validateBundleName(at.Child("name"), *s.Name)...)
		if s.LabelSelector != nil {
			errs = append(errs, field.Invalid(at.Child("labelSelector"), s.LabelSelector, "labelSelector must be unset if name is specified"))
		}
	case s.SignerName != nil:
		if *s.SignerName == "" {
			errs = append(errs, field.Required(at.Child("signerName"), "must be a valid signer name"))
		}
		errs = append(errs, validation.SignerName(at.Child("signerName"), *s.SignerName)...)
		errs = append(errs, validation.LabelSelector(at.Child("labelSelector"), s.LabelSelector)...)
	default:
		errs = append(errs, field.Required(at, "either name or signerName must be specified"))
	}
	errs = append(errs, validation.Required(at.Child("path"), s.Path)...)
	errs = append(errs, owner(at.Child("user"), s.User)...)
	return append(errs, filePath(at.Child("path"), s.Path)...)
}

func validateBundleName(at *field.Path, name string) field.ErrorList {
	var errs field.ErrorList
	if name == "" {
		errs = append(errs, field.Required(at, "must be a valid object name"))
	}
	last := name
	if i := strings.LastIndex(name, ":"); i >= 0 {
		signer := strings.ReplaceAll(name[:i], ":", "/")
		if signer == "" {
			return append(errs, field.Invalid(at, name, `not a valid clustertrustbundlename: ClusterTrustBundle without signer name must not have ":" in its name`))
		}
		last = name[i+1:]
	}
	for _, why := range apivalidation.NameIsDNSSubdomain(last, false) {
		errs = append(errs, field.Invalid(at, name, "not a valid clustertrustbundlename: "+why))
	}
	return errs
}

// The bounds of a certificate's life, in seconds. Kubernetes' own signers give a day at most.
const (
	shortestCertificate   = 60 * 60
	longestCertificate    = 91 * 24 * 60 * 60
	longestOwnCertificate = 24 * 60 * 60
)

func validatePodCertificate(at *field.Path, s *corev1.PodCertificateProjection) field.ErrorList {
	errs := validation.SignerName(at.Child("signerName"), s.SignerName)
	for key := range s.UserAnnotations {
		errs = append(errs, utilvalidation.IsDomainPrefixedKey(at.Child("userAnnotations"), strings.ToLower(key))...)
	}
	if apivalidation.ValidateAnnotationsSize(s.UserAnnotations) != nil {
		errs = append(errs, field.TooLong(at.Child("userAnnotations"), "", apivalidation.TotalAnnotationSizeLimitB))
	}
	errs = append(errs, owner(at.Child("user"), s.User)...)
	errs = append(errs, validation.Supported(at.Child("keyType"), s.KeyType, "RSA3072", "RSA4096", "ECDSAP256", "ECDSAP384", "ECDSAP521", "ED25519")...)
	if seconds := s.MaxExpirationSeconds; seconds != nil {
		path, limit := at.Child("maxExpirationSeconds"), int32(longestCertificate)
		if domain, _, _ := strings.Cut(s.SignerName, "/"); domain == "kubernetes.io" || strings.HasSuffix(domain, ".kubernetes.io") {
			limit = longestOwnCertificate
		}
		if *seconds < shortestCertificate {
			errs = append(errs, field.Invalid(path, *seconds, "if provided, maxExpirationSeconds must be >= 3600"))
		}
		if *seconds > limit {
			errs = append(errs, field.Invalid(path, *seconds, fmt.Sprintf("if provided, maxExpirationSeconds must be <= %d", limit)))
		}
	}
	if s.CredentialBundlePath == "" && s.KeyPath == "" && s.CertificateChainPath == "" {
		errs = append(errs, field.Required(at, "specify at least one of credentialBundlePath, keyPath, and certificateChainPath"))
	}
	errs = append(errs, filePath(at.Child("credentialBundlePath"), s.CredentialBundlePath)...)
	errs = append(errs, filePath(at.Child("keyPath"), s.KeyPath)...)
	return append(errs, filePath(at.Child("certificateChainPath"), s.CertificateChainPath)...)
}

// owner checks the user whom a file is to belong to.
func owner(at *field.Path, user *int64) field.ErrorList {
	if user == nil {
		return nil
	}
	return validation.Invalid(at, *user, utilvalidation.IsValidUserID(*user))
}
