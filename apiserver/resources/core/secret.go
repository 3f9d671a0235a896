package core

import (
	"encoding/json"
	"reflect"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	utilvalidation "k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"minik.dev/apiserver/resources"
	"minik.dev/apiserver/resources/printers"
	"minik.dev/apiserver/resources/validation"
)

func secrets() *resources.Resource {
	doc := corev1.Secret{}.SwaggerDoc()
	return &resources.Resource{
		Kind:     corev1.SchemeGroupVersion.WithKind("Secret"),
		Plural:   "secrets",
		Secret:   true,
		New:      func() resources.Object { return &corev1.Secret{} },
		NewList:  func() runtime.Object { return &corev1.SecretList{} },
		Default:  resources.Each(defaultSecret),
		Validate: resources.Check(validateSecret),
		Fields:   resources.Of(func(s *corev1.Secret) fields.Set { return fields.Set{"type": string(s.Type)} }),
		Columns: []metav1.TableColumnDefinition{
			printers.NameColumn(0),
			printers.Column("Type", "string", 0, doc["type"]),
			printers.Column("Data", "string", 0, doc["data"]),
			printers.AgeColumn(),
		},
		Cells: resources.Cells(func(s *corev1.Secret, now time.Time) []any {
			return []any{s.Name, string(s.Type), int64(len(s.Data)), printers.Age(s.CreationTimestamp, now)}
		}),
	}
}

// defaultSecret also moves stringData, which is for writing only, into data.
func defaultSecret(s *corev1.Secret) {
	if s.Type == "" {
		s.Type = corev1.SecretTypeOpaque
	}
	for key, value := range s.StringData {
		if s.Data == nil {
			s.Data = make(map[string][]byte, len(s.StringData))
		}
		s.Data[key] = []byte(value)
	}
	s.StringData = nil
}

func validateSecret(s, old *corev1.Secret) field.ErrorList {
	path := field.NewPath("data")
	var errs field.ErrorList
	size := 0
	for _, key := range validation.SortedKeys(s.Data) {
		errs = append(errs, validation.Invalid(path.Key(key), key, utilvalidation.IsConfigMapKey(key))...)
		size += len(s.Data[key])
	}
	if size > corev1.MaxSecretSize {
		errs = append(errs, field.TooLong(path, "", corev1.MaxSecretSize))
	}
	errs = append(errs, validateSecretType(path, s)...)
	if old == nil {
		return errs
	}
	errs = append(errs, validation.Immutable(field.NewPath("type"), s.Type, old.Type)...)
	if old.Immutable == nil || !*old.Immutable {
		return errs
	}
	if s.Immutable == nil || !*s.Immutable {
		errs = append(errs, field.Forbidden(field.NewPath("immutable"), keptWhenImmutable))
	}
	if !reflect.DeepEqual(s.Data, old.Data) {
		errs = append(errs, field.Forbidden(path, keptWhenImmutable))
	}
	return errs
}

// validateSecretType asks for the keys that readers of a well-known type count on.
func validateSecretType(path *field.Path, s *corev1.Secret) field.ErrorList {
	has := func(key string) bool { _, ok := s.Data[key]; return ok }
	var errs field.ErrorList
	switch s.Type {
	case corev1.SecretTypeServiceAccountToken:
		if s.Annotations[corev1.ServiceAccountNameKey] == "" {
			at := field.NewPath("metadata", "annotations").Key(corev1.ServiceAccountNameKey)
			errs = append(errs, field.Required(at, ""))
		}
	case corev1.SecretTypeDockercfg:
		errs = append(errs, jsonOf(path, s, corev1.DockerConfigKey)...)
	case corev1.SecretTypeDockerConfigJson:
		errs = append(errs, jsonOf(path, s, corev1.DockerConfigJsonKey)...)
	case corev1.SecretTypeBasicAuth:
		if !has(corev1.BasicAuthUsernameKey) && !has(corev1.BasicAuthPasswordKey) {
			errs = append(errs, field.Required(path.Key(corev1.BasicAuthUsernameKey), ""),
				field.Required(path.Key(corev1.BasicAuthPasswordKey), ""))
		}
	case corev1.SecretTypeSSHAuth:
		if len(s.Data[corev1.SSHAuthPrivateKey]) == 0 {
			errs = append(errs, field.Required(path.Key(corev1.SSHAuthPrivateKey), ""))
		}
	case corev1.SecretTypeTLS:
		for _, key := range []string{corev1.TLSCertKey, corev1.TLSPrivateKeyKey} {
			if !has(key) {
				errs = append(errs, field.Required(path.Key(key), ""))
			}
		}
	}
	return errs
}

// jsonOf asks for a key whose value is a JSON object. The message shows nothing of the secret.
func jsonOf(path *field.Path, s *corev1.Secret, key string) field.ErrorList {
	value, ok := s.Data[key]
	if !ok {
		return field.ErrorList{field.Required(path.Key(key), "")}
	}
	if err := json.Unmarshal(value, &map[string]any{}); err != nil {
		return field.ErrorList{field.Invalid(path.Key(key), "<secret contents redacted>", err.Error())}
	}
	return nil
}
