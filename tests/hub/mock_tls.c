// SPDX-License-Identifier: Apache-2.0
// Certificates of the test Hub: an authority and a server's, made anew each time; no key is ever stored.
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#include "tests/hub/mock_state.h"

enum { DAY_S = 24 * 60 * 60 };

static void *checked(void *object)
{
    if (!object)
        mock_die("libcrypto makes no certificate");
    return object;
}

static void extend(X509 *certificate, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension = checked(X509V3_EXT_conf_nid(NULL, &context, nid, value));
    X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
}

// `issuer` NULL: signed by itself, an authority. Valid from `from` to `to` seconds of now.
static X509 *make_certificate(const char *name, long serial, EVP_PKEY *key, X509 *issuer, EVP_PKEY *issuer_key,
                              const char *hosts, long from, long to)
{
    X509 *certificate = checked(X509_new());
    X509_set_version(certificate, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), serial);
    X509_gmtime_adj(X509_getm_notBefore(certificate), from);
    X509_gmtime_adj(X509_getm_notAfter(certificate), to);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_UTF8, (const uint8_t *)name, -1, -1,
                               0);
    X509 *signer = issuer ? issuer : certificate;
    X509_set_issuer_name(certificate, X509_get_subject_name(signer));
    X509_set_pubkey(certificate, key);
    extend(certificate, signer, NID_basic_constraints, issuer ? "critical,CA:FALSE" : "critical,CA:TRUE");
    extend(certificate, signer, NID_key_usage, issuer ? "critical,digitalSignature" : "critical,keyCertSign,cRLSign");
    extend(certificate, signer, NID_subject_key_identifier, "hash");
    if (issuer) {
        extend(certificate, signer, NID_authority_key_identifier, "keyid");
        extend(certificate, signer, NID_ext_key_usage, "serverAuth");
        extend(certificate, signer, NID_subject_alt_name, hosts);
    }
    if (!X509_sign(certificate, issuer_key, EVP_sha256()))
        mock_die("libcrypto signs no certificate");
    return certificate;
}

static char *text_of(X509 *certificate, EVP_PKEY *key)
{
    BIO *memory = checked(BIO_new(BIO_s_mem()));
    char *bytes;
    if (certificate)
        PEM_write_bio_X509(memory, certificate);
    else
        PEM_write_bio_PrivateKey(memory, key, NULL, NULL, 0, NULL, NULL);
    size_t n = (size_t)BIO_get_mem_data(memory, &bytes);
    char *text = mock_memory(n + 1);
    memcpy(text, bytes, n);
    BIO_free(memory);
    return text;
}

mock_certificates *mock_tls_make(mock_tls tls)
{
    static const char here[] = "IP:127.0.0.1,IP:127.0.0.2,IP:::1,DNS:localhost";
    mock_certificates *made = mock_memory(sizeof *made);
    EVP_PKEY *authority_key = checked(EVP_EC_gen("P-256")), *key = checked(EVP_EC_gen("P-256"));
    X509 *authority =
        make_certificate("nibble test authority", 1, authority_key, NULL, authority_key, NULL, -DAY_S, DAY_S);
    bool is_expired = tls == MOCK_TLS_EXPIRED;
    X509 *certificate = make_certificate("nibble test hub", 2, key, authority, authority_key,
                                         tls == MOCK_TLS_OTHER_NAME ? "DNS:elsewhere.invalid" : here,
                                         is_expired ? -365 * DAY_S : -DAY_S, is_expired ? -DAY_S : DAY_S);
    if (tls == MOCK_TLS_STRANGER) { // what is told is another authority of the same name
        EVP_PKEY_free(authority_key);
        X509_free(authority);
        authority_key = checked(EVP_EC_gen("P-256"));
        authority =
            make_certificate("nibble test authority", 1, authority_key, NULL, authority_key, NULL, -DAY_S, DAY_S);
    }
    made->authority = text_of(authority, NULL);
    made->certificate = text_of(certificate, NULL);
    made->key = text_of(NULL, key);
    X509_free(authority);
    X509_free(certificate);
    EVP_PKEY_free(authority_key);
    EVP_PKEY_free(key);
    return made;
}

void mock_tls_free(mock_certificates *certificates)
{
    if (!certificates)
        return;
    free(certificates->authority);
    free(certificates->certificate);
    free(certificates->key);
    free(certificates);
}
