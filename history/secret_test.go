package history

import (
	"crypto/sha256"
	"encoding/hex"
	"testing"

	"github.com/stretchr/testify/require"
)

// A Secret's history shows that a value changed, and not to what. Nobody can try guesses against what it shows: another run of
// minik shows the same value in another way.
func TestSecretsAreVeiled(t *testing.T) {
	secret := func(v veil, value string) map[string]any {
		s := map[string]any{
			"data":     map[string]any{"password": value, "user": "YWRtaW4="},
			"metadata": map[string]any{"annotations": map[string]any{"kubectl.kubernetes.io/last-applied-configuration": value}},
		}
		v.over(s)
		return s
	}
	v := newVeil()
	line := changeOf(secret(v, "c2VjcmV0"), secret(v, "b3RoZXI="), true)
	require.Regexp(t, `^data.password hidden:[0-9a-f]{8} → hidden:[0-9a-f]{8}$`, line)
	require.Equal(t, "who manages which field", changeOf(secret(v, "a"), secret(v, "a"), true))
	require.NotEqual(t, secret(v, "c2VjcmV0")["data"], secret(newVeil(), "c2VjcmV0")["data"])
	sum := sha256.Sum256([]byte("c2VjcmV0"))
	require.NotContains(t, line, hex.EncodeToString(sum[:4]))
}
