package resource

import (
	"context"
	"strings"
	"unicode/utf8"

	resourcev1 "k8s.io/api/resource/v1"
	"k8s.io/apimachinery/pkg/api/operation"
	"k8s.io/apimachinery/pkg/api/validate"
	"k8s.io/apimachinery/pkg/api/validate/content"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"minik.dev/apiserver/resources/validation"
	"minik.dev/apiserver/resources/volumes"
)

// The names of drivers, pools and what devices say of themselves, and lists of things that are bounded. Upstream checks some of these
// names in two ways, with other words for the same mistake: generated checks for claims, and handwritten ones for slices and rules.

// validateDriver takes the name of a driver, which has the form of that of a CSI driver.
func validateDriver(path *field.Path, name string) field.ErrorList {
	return volumes.ValidateDriverName(path, name)
}

// claimDriver does so in the words of the generated check.
func claimDriver(path *field.Path, name string) field.ErrorList {
	if name == "" {
		return field.ErrorList{field.Required(path, "")}
	}
	var errs field.ErrorList
	if utf8.RuneCountInString(name) > volumes.MaxDriverName {
		errs = append(errs, field.TooLongCharacters(path, "", volumes.MaxDriverName))
	}
	return append(errs, longNameCaseless(path, name)...)
}

// validatePoolName takes DNS names between slashes.
func validatePoolName(path *field.Path, name string) field.ErrorList {
	if name == "" {
		return field.ErrorList{field.Required(path, "")}
	}
	var errs field.ErrorList
	if len(name) > resourcev1.PoolNameMaxLength {
		errs = append(errs, field.TooLong(path, "", resourcev1.PoolNameMaxLength))
	}
	for part := range strings.SplitSeq(name, "/") {
		errs = append(errs, validation.DNSSubdomain(path, part)...)
	}
	return errs
}

// generated makes one of the checks that upstream generates of one of apimachinery's.
func generated[T ~string](check func(context.Context, operation.Operation, *field.Path, *T, *T) field.ErrorList) func(*field.Path, T) field.ErrorList {
	return func(path *field.Path, value T) field.ErrorList {
		return check(context.TODO(), operation.Operation{}, path, &value, nil) //nolint:forbidigo // it looks at the value alone
	}
}

// Checks that upstream generates.
var (
	shortName            = generated(validate.ShortName[string])
	longName             = generated(validate.LongName[string])
	longNameCaseless     = generated(validate.LongNameCaseless[string])
	claimPoolName        = generated(validate.ResourcePoolName[string])
	fullyQualifiedName   = generated(validate.ResourceFullyQualifiedName[resourcev1.FullyQualifiedName])
	extendedResourceName = generated(validate.ExtendedResourceName[string])
	validateUUID         = generated(validate.UUID[string])
)

// validateQualifiedName takes the name of an attribute or a capacity: a C identifier, with the domain of a driver or without.
func validateQualifiedName(path *field.Path, name resourcev1.QualifiedName) field.ErrorList {
	parts := strings.Split(string(name), "/")
	if len(parts) == 1 {
		return validateIdentifier(path, parts[0])
	}
	if len(parts) > 2 {
		return nil // upstream lets it pass
	}
	var errs field.ErrorList
	if parts[0] == "" {
		errs = append(errs, field.Invalid(path, "", "the domain must not be empty"))
	} else {
		errs = append(errs, validateDriver(path, parts[0])...)
	}
	if parts[1] == "" {
		return append(errs, field.Invalid(path, "", "the name must not be empty"))
	}
	return append(errs, validateIdentifier(path, parts[1])...)
}

func validateIdentifier(path *field.Path, id string) field.ErrorList {
	var errs field.ErrorList
	if len(id) > resourcev1.DeviceMaxIDLength {
		errs = append(errs, field.TooLong(path, "", resourcev1.DeviceMaxIDLength))
	}
	return append(errs, validation.Invalid(path, id, content.IsCIdentifier(id))...)
}

// unbounded is as many as one likes.
const unbounded = -1

// list checks each item, unless there are more than most: then nothing but that is said.
func list[T any](path *field.Path, items []T, most int, check func(*field.Path, *T) field.ErrorList) field.ErrorList {
	if most >= 0 && len(items) > most {
		return field.ErrorList{field.TooMany(path, len(items), most)}
	}
	var errs field.ErrorList
	for i := range items {
		errs = append(errs, check(path.Index(i), &items[i])...)
	}
	return errs
}

// set is a list of which no two items have the same key, which is shown.
func set[T any, K comparable](path *field.Path, items []T, most int, check func(*field.Path, *T) field.ErrorList, key func(*T) K) field.ErrorList {
	return unique(path, items, most, check, key, func(item *T) any { return key(item) })
}

// mapped does so in the way of upstream's generated checks, which show the whole item.
func mapped[T any, K comparable](path *field.Path, items []T, most int, check func(*field.Path, *T) field.ErrorList, key func(*T) K) field.ErrorList {
	return unique(path, items, most, check, key, func(item *T) any { return *item })
}

func unique[T any, K comparable](path *field.Path, items []T, most int, check func(*field.Path, *T) field.ErrorList, key func(*T) K,
	shown func(*T) any) field.ErrorList {
	errs := list(path, items, most, check)
	if most >= 0 && len(items) > most {
		return errs
	}
	seen := map[K]bool{}
	for i := range items {
		k := key(&items[i])
		if seen[k] {
			errs = append(errs, field.Duplicate(path.Index(i), shown(&items[i])))
		}
		seen[k] = true
	}
	return errs
}

// itself is the key of what is a name.
func itself(name *string) string { return *name }

// keyed checks the keys of a map and its values, unless there are more than most.
func keyed[K ~string, T any](path *field.Path, values map[K]T, most int, key func(*field.Path, K) field.ErrorList,
	check func(at *field.Path, name K, value *T) field.ErrorList) field.ErrorList {
	if most >= 0 && len(values) > most {
		return field.ErrorList{field.TooMany(path, len(values), most)}
	}
	var errs field.ErrorList
	for _, name := range validation.SortedKeys(values) {
		value := values[name]
		errs = append(errs, key(path, name)...)
		errs = append(errs, check(path.Key(shortened(string(name))), name, &value)...)
	}
	return errs
}

// longestKey is a domain, a slash and a name.
const longestKey = resourcev1.DeviceMaxDomainLength + 1 + resourcev1.DeviceMaxIDLength

// shortened is a key as a path names it: one that is far too long has its middle left out.
func shortened(key string) string {
	if len(key) <= longestKey {
		return key
	}
	const gap = "..."
	left := longestKey - len(gap)
	return key[:(left+1)/2] + gap + key[len(key)-left/2:]
}
