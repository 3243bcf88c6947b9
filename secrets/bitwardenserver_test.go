package secrets

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// bitwardenServer stands in for Bitwarden's on loopback: as much of its identity
// and vault services as a real bw needs to sign in, unlock, sync and read. It
// knows one account, whose items it keeps encrypted as Bitwarden does.
type bitwardenServer struct {
	*httptest.Server
	password string
	wrapped  string // the user's key, encrypted by the password's
	private  string // an RSA key, encrypted by the user's
	public   string // the other half

	enc, mac []byte // the user's key

	mu    sync.Mutex
	items []map[string]any
}

const bitwardenMail, bitwardenRounds = "person@example.com", 600_000

func newBitwardenServer(t *testing.T) *bitwardenServer {
	t.Helper()
	b := &bitwardenServer{password: string(random(20)), enc: make([]byte, 32), mac: make([]byte, 32)}
	rand.Read(b.enc)
	rand.Read(b.mac)
	master, err := pbkdf2.Key(sha256.New, b.password, []byte(bitwardenMail), bitwardenRounds, 32)
	if err != nil {
		t.Fatal(err)
	}
	enc, err1 := hkdf.Expand(sha256.New, master, "enc", 32)
	mac, err2 := hkdf.Expand(sha256.New, master, "mac", 32)
	pair, err3 := rsa.GenerateKey(rand.Reader, 2048)
	if err := errors.Join(err1, err2, err3); err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(pair)
	if err != nil {
		t.Fatal(err)
	}
	public, err := x509.MarshalPKIXPublicKey(&pair.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	b.public = base64.StdEncoding.EncodeToString(public)
	b.wrapped = encString(enc, mac, append(append([]byte{}, b.enc...), b.mac...))
	b.private = encString(b.enc, b.mac, der)
	b.Server = httptest.NewTLSServer(http.HandlerFunc(b.serve))
	t.Cleanup(b.Close)
	return b
}

// certificate writes the server's, for NODE_EXTRA_CA_CERTS.
func (b *bitwardenServer) certificate(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "ca.pem")
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: b.Certificate().Raw})
	if err := os.WriteFile(path, block, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// encString is Bitwarden's "2.iv|data|mac": AES-256-CBC, then HMAC-SHA256.
func encString(enc, mac, plain []byte) string {
	block, err := aes.NewCipher(enc)
	if err != nil {
		panic(err)
	}
	pad := 16 - len(plain)%16
	for range pad {
		plain = append(plain[:len(plain):len(plain)], byte(pad))
	}
	iv, data := make([]byte, 16), make([]byte, len(plain))
	rand.Read(iv)
	cipher.NewCBCEncrypter(block, iv).CryptBlocks(data, plain)
	sum := hmac.New(sha256.New, mac)
	sum.Write(iv)
	sum.Write(data)
	text := base64.StdEncoding.EncodeToString
	return "2." + text(iv) + "|" + text(data) + "|" + text(sum.Sum(nil))
}

func (b *bitwardenServer) seal(text string) any {
	if text == "" {
		return nil
	}
	return encString(b.enc, b.mac, []byte(text))
}

// item is a login with fields of its own.
type item struct {
	id, name, username, password, totp, notes, uri string
	fields                                         map[string]string
}

func (b *bitwardenServer) put(i item) {
	now := time.Now().UTC().Format(time.RFC3339)
	var fields []map[string]any
	for name, value := range i.fields {
		fields = append(fields, map[string]any{"type": 1, "name": b.seal(name), "value": b.seal(value)})
	}
	var uris []map[string]any
	if i.uri != "" {
		uris = append(uris, map[string]any{"uri": b.seal(i.uri)})
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.items = append(b.items, map[string]any{
		"object": "cipherDetails", "id": i.id, "type": 1, "name": b.seal(i.name), "notes": b.seal(i.notes), "fields": fields,
		"login":        map[string]any{"username": b.seal(i.username), "password": b.seal(i.password), "totp": b.seal(i.totp), "uris": uris},
		"revisionDate": now, "creationDate": now, "edit": true, "viewPassword": true, "organizationId": nil, "folderId": nil,
		"favorite": false, "reprompt": 0, "collectionIds": []string{}, "permissions": map[string]any{"delete": true, "restore": true},
	})
}

func (b *bitwardenServer) clear() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.items = nil
}

// itemID makes an id as Bitwarden's: a UUID.
func itemID() string {
	id := make([]byte, 16)
	rand.Read(id)
	id[6], id[8] = id[6]&0x0f|0x40, id[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", id[:4], id[4:6], id[6:8], id[8:10], id[10:])
}

func (b *bitwardenServer) unlock() map[string]any {
	return map[string]any{
		"Salt": bitwardenMail, "Kdf": map[string]any{"KdfType": 0, "Iterations": bitwardenRounds},
		"MasterKeyEncryptedUserKey": b.wrapped,
	}
}

func (b *bitwardenServer) keys() map[string]any {
	return map[string]any{"publicKeyEncryptionKeyPair": map[string]any{"publicKey": b.public, "wrappedPrivateKey": b.private}}
}

func (b *bitwardenServer) profile() map[string]any {
	return map[string]any{
		"object": "profile", "id": "7b6a5f10-2d3c-4e5f-8a9b-0c1d2e3f4a5b", "name": "Person", "email": bitwardenMail, "emailVerified": true,
		"premium": true, "culture": "en-US", "twoFactorEnabled": false, "key": b.wrapped, "privateKey": b.private, "accountKeys": b.keys(),
		"securityStamp": "stamp", "organizations": []any{}, "providers": []any{}, "providerOrganizations": []any{},
		"creationDate": "2026-01-01T00:00:00Z",
	}
}

func (b *bitwardenServer) serve(w http.ResponseWriter, r *http.Request) {
	var body any
	switch r.URL.Path {
	case "/identity/connect/token":
		body = b.token()
	case "/identity/accounts/prelogin", "/identity/accounts/prelogin/password":
		body = map[string]any{"kdf": 0, "kdfIterations": bitwardenRounds}
	case "/api/config":
		body = map[string]any{"object": "config", "version": "2026.9.0", "gitHash": "0", "environment": map[string]any{}, "featureStates": map[string]any{}}
	case "/api/accounts/profile":
		body = b.profile()
	case "/api/accounts/revision-date":
		body = time.Now().UnixMilli()
	case "/api/sync":
		b.mu.Lock()
		items := append([]map[string]any{}, b.items...)
		b.mu.Unlock()
		body = map[string]any{
			"object": "sync", "profile": b.profile(), "folders": []any{}, "collections": []any{}, "ciphers": items, "policies": []any{},
			"sends": []any{}, "domains": map[string]any{"equivalentDomains": []any{}, "globalEquivalentDomains": []any{}},
			"userDecryption": map[string]any{"masterPasswordUnlock": b.unlock()},
		}
	default:
		// What bw tells its server unasked (the id of a key) is taken; what it asks for beyond the above is not there.
		if r.Method == http.MethodGet {
			w.WriteHeader(http.StatusNotFound)
		}
		return
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(body)
}

// token answers a sign-in. bw reads the claims and checks no signature.
func (b *bitwardenServer) token() map[string]any {
	now := time.Now().Unix()
	claims, _ := json.Marshal(map[string]any{
		"nbf": now, "exp": now + 3600, "iss": b.URL + "/identity", "client_id": "cli", "sub": b.profile()["id"], "auth_time": now,
		"email": bitwardenMail, "email_verified": true, "name": "Person", "premium": true, "sstamp": "stamp", "device": itemID(),
		"scope": []string{"api", "offline_access"}, "amr": []string{"Application"},
	})
	part := base64.RawURLEncoding.EncodeToString
	return map[string]any{
		"access_token": part([]byte(`{"alg":"none"}`)) + "." + part(claims) + "." + part([]byte("none")), "token_type": "Bearer",
		"expires_in": 3600, "refresh_token": "refresh", "Key": b.wrapped, "PrivateKey": b.private, "AccountKeys": b.keys(),
		"Kdf": 0, "KdfIterations": bitwardenRounds, "ForcePasswordReset": false,
		"UserDecryptionOptions": map[string]any{"HasMasterPassword": true, "MasterPasswordUnlock": b.unlock()},
	}
}
