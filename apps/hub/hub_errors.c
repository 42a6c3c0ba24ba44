// SPDX-License-Identifier: Apache-2.0
#include "apps/hub/hub_errors.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <time.h>

#include "apps/common/cli.h"

void nb_hub_failure_set(nb_hub_failure *failure, nb_hub_problem problem, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    failure->problem = problem;
    vsnprintf(failure->detail, sizeof failure->detail, format, args);
    va_end(args);
}

void nb_hub_failure_errno(nb_hub_failure *failure, const char *what, const char *path)
{
    int reason = errno;
    bool is_full = reason == ENOSPC || reason == EDQUOT || reason == EFBIG;
    nb_hub_failure_set(failure, is_full ? NB_HUB_DISK_FULL : NB_HUB_DISK, "cannot %s %.160s: %s", what, path,
                       strerror(reason));
}

bool nb_hub_is_worth_retrying(const nb_hub_failure *failure)
{
    switch (failure->problem) {
    case NB_HUB_RATE_LIMITED:
    case NB_HUB_SERVER:
    case NB_HUB_EXPIRED:
    case NB_HUB_DNS:
    case NB_HUB_CONNECT:
    case NB_HUB_PROXY:
    case NB_HUB_CUT:
    case NB_HUB_STALLED:
    case NB_HUB_RANGE:
    case NB_HUB_LENGTH:
    case NB_HUB_HASH:
        return true;
    default:
        return false;
    }
}

bool nb_hub_is_bad_content(const nb_hub_failure *failure)
{
    return failure->problem == NB_HUB_HASH || failure->problem == NB_HUB_LENGTH || failure->problem == NB_HUB_RANGE;
}

const char *nb_hub_problem_text(const nb_hub_failure *failure, char *text, size_t capacity)
{
    static const char *const texts[] = {
        [NB_HUB_RATE_LIMITED] = "the Hub's limit of requests is reached",
        [NB_HUB_EXPIRED] = "the signed address is no longer valid",
        [NB_HUB_DNS] = "the host's name is not found",
        [NB_HUB_CONNECT] = "no connection",
        [NB_HUB_PROXY] = "the proxy fails",
        [NB_HUB_CUT] = "the connection was cut",
        [NB_HUB_STALLED] = "nothing came for too long",
        [NB_HUB_RANGE] = "another part came than was asked for",
        [NB_HUB_LENGTH] = "the length is wrong",
        [NB_HUB_HASH] = "the hash is wrong, this file begins anew",
    };
    if (failure->problem == NB_HUB_SERVER)
        snprintf(text, capacity, "the server answers %d", failure->status);
    else
        snprintf(text, capacity, "%s",
                 failure->problem < NB_COUNT_OF(texts) && texts[failure->problem] ? texts[failure->problem] : "failed");
    return text;
}

// ---- sentences -----------------------------------------------------------------------------------------------------

static int fail_access(const nb_hub_failure *failure, const nb_hub_subject *subject)
{
    const char *endpoint = subject->options->endpoint, *id = subject->repository;
    bool has_token = subject->options->token != NULL;
    if (failure->problem == NB_HUB_GATED)
        return nb_fail(
            NB_EXIT_INPUT,
            "%s is gated; expected that its terms were accepted, found that %s; try accepting them at %s/%s%s", id,
            has_token ? "this account has not (or the token may not read gated repositories)" : "no token was sent",
            endpoint, id, has_token ? "" : ", then set HF_TOKEN");
    if (failure->problem == NB_HUB_FORBIDDEN)
        return nb_fail(NB_EXIT_INPUT,
                       "no access to %s (403 from %s); expected a token that may read it, found %s; try another token, "
                       "or one with more rights, from %s/settings/tokens",
                       id, failure->host, has_token ? "one that may not" : "none", endpoint);
    if (has_token)
        return nb_fail(NB_EXIT_INPUT,
                       "%s is not there for this token (401 from %s); expected a valid token and the name of a "
                       "repository it may read, found neither or one of the two; try a new token from "
                       "%s/settings/tokens, and check the spelling",
                       id, failure->host, endpoint);
    return nb_fail(NB_EXIT_INPUT,
                   "%s is private, gated, or does not exist (401 from %s); expected a public repository or a token, "
                   "found no token; %s",
                   id, failure->host, failure->hint[0] ? failure->hint : "try HF_TOKEN, or check the spelling");
}

static int fail_missing(const nb_hub_failure *failure, const nb_hub_subject *subject)
{
    const char *more = failure->hint[0] ? failure->hint : NULL;
    if (failure->problem == NB_HUB_NO_REVISION)
        return nb_fail(NB_EXIT_INPUT,
                       "%s has no revision \"%.100s\"; expected a branch, tag or commit, found none of that name; %s",
                       subject->repository, subject->revision, more ? more : "try it without @REVISION");
    if (failure->problem == NB_HUB_NO_FILE)
        return nb_fail(NB_EXIT_INPUT,
                       "%s no longer has the file %.200s; expected what its list says, found 404; try again",
                       subject->repository, subject->file ? subject->file : "asked for");
    return nb_fail(NB_EXIT_INPUT, "no repository %s on %s; expected ORG/NAME as in its address there, found 404; %s",
                   subject->repository, failure->host, more ? more : "check the spelling");
}

static int fail_server(const nb_hub_failure *failure, const nb_hub_subject *subject)
{
    char wait[64] = "in a few minutes";
    if (failure->has_wait)
        snprintf(wait, sizeof wait, "in %llu seconds", (unsigned long long)failure->wait_s);
    if (failure->problem == NB_HUB_RATE_LIMITED)
        return nb_fail(
            NB_EXIT_FAILED,
            "%s limits how often one may ask (429); expected an answer, found none after %u retries; try %s%s",
            failure->host, subject->options->n_retries, wait,
            subject->options->token ? "" : ", or with a token (HF_TOKEN), which may ask more often");
    if (failure->problem == NB_HUB_EXPIRED)
        return nb_fail(
            NB_EXIT_FAILED,
            "%s refuses the addresses that the Hub signs (%d); expected the file, found that each new address "
            "is refused too; try later, or check this machine's clock",
            failure->host, failure->status);
    return nb_fail(NB_EXIT_FAILED,
                   "%s answers %d; expected %s, found an error of the server%s%s; try again later, what came is kept",
                   failure->host, failure->status, subject->file ? subject->file : "an answer",
                   failure->detail[0] ? ": " : "", failure->detail);
}

static int fail_clock(const nb_hub_failure *failure)
{
    time_t now = time(NULL);
    struct tm utc;
    char text[32] = "";
    if (gmtime_r(&now, &utc))
        strftime(text, sizeof text, "%Y-%m-%d %H:%M", &utc);
    return nb_fail(NB_EXIT_FAILED,
                   "the certificate of %s is not valid at this time (%s); expected a date within its life, found this "
                   "machine's clock at %s UTC; try setting the clock (timedatectl set-ntp true)",
                   failure->host, failure->detail, text);
}

static int fail_way(const nb_hub_failure *failure)
{
    const char *host = failure->host, *detail = failure->detail;
    switch (failure->problem) {
    case NB_HUB_DNS:
        return nb_fail(NB_EXIT_FAILED,
                       "the name %s is not found; expected its address, found none; try checking the network and DNS, "
                       "or --offline for what is here already",
                       host);
    case NB_HUB_CONNECT:
        return nb_fail(NB_EXIT_FAILED,
                       "no connection to %s; expected an answer, found: %s; try checking the network (and proxy "
                       "settings), or --offline for what is here already",
                       host, detail);
    case NB_HUB_PROXY:
        return nb_fail(
            NB_EXIT_FAILED,
            "the proxy %s does not let us through; expected a connection, found: %s; try another HTTPS_PROXY, "
            "or NO_PROXY for hosts reached without it",
            host, detail);
    case NB_HUB_TLS:
        return nb_fail(NB_EXIT_FAILED,
                       "no secure connection to %s; expected a certificate that can be trusted, found: %s; try "
                       "SSL_CERT_FILE with the authorities of this network, if it has its own",
                       host, detail);
    case NB_HUB_AUTHORITIES:
        return nb_fail(NB_EXIT_FAILED,
                       "the certificate authorities cannot be read; expected a file of them, found: %s; try installing "
                       "ca-certificates, or correct SSL_CERT_FILE",
                       detail);
    case NB_HUB_CLOCK:
        return fail_clock(failure);
    default:
        return nb_fail(NB_EXIT_FAILED,
                       "the connection to %s fails; expected the rest, found: %s; try again, what came is kept", host,
                       detail);
    }
}

static int fail_content(const nb_hub_failure *failure, const nb_hub_subject *subject)
{
    const char *file = subject->file ? subject->file : "a file", *detail = failure->detail;
    switch (failure->problem) {
    case NB_HUB_REDIRECT:
        return nb_fail(NB_EXIT_FAILED,
                       "%s leads elsewhere; expected an https address, found %s; try another HF_ENDPOINT",
                       failure->host, detail);
    case NB_HUB_HEADERS:
        return nb_fail(NB_EXIT_FAILED,
                       "%s does not speak as a Hub does; expected an HTTP answer, found %s; try another HF_ENDPOINT",
                       failure->host, detail);
    case NB_HUB_LISTING:
        return nb_fail(NB_EXIT_INPUT,
                       "the list of files of %s is not acceptable; expected names and sizes, found %s; try another "
                       "repository, or tell its owner",
                       subject->repository, detail);
    case NB_HUB_COMMIT:
        return nb_fail(NB_EXIT_FAILED,
                       "%s came from another commit; expected one commit for all files, found %s; try again", file,
                       detail);
    case NB_HUB_HASH:
        return nb_fail(NB_EXIT_FAILED,
                       "%s is not what the Hub says it is; expected its hash, found another each time; thrown away, "
                       "the other files are kept; try again later",
                       file);
    default:
        return nb_fail(NB_EXIT_FAILED, "%s does not come whole; expected its length, found %s; try again later", file,
                       detail);
    }
}

int nb_hub_fail(const nb_hub_failure *failure, const nb_hub_subject *subject)
{
    switch (failure->problem) {
    case NB_HUB_FINE:
        return NB_EXIT_OK;
    case NB_HUB_STOPPED:
        return NB_EXIT_INTERRUPTED;
    case NB_HUB_UNAUTHORIZED:
    case NB_HUB_GATED:
    case NB_HUB_FORBIDDEN:
        return fail_access(failure, subject);
    case NB_HUB_NO_REPOSITORY:
    case NB_HUB_NO_REVISION:
    case NB_HUB_NO_FILE:
        return fail_missing(failure, subject);
    case NB_HUB_RATE_LIMITED:
    case NB_HUB_SERVER:
    case NB_HUB_EXPIRED:
    case NB_HUB_STATUS:
        return fail_server(failure, subject);
    case NB_HUB_DAMAGED:
        return nb_fail(
            NB_EXIT_INPUT,
            "%s is damaged here; expected its hash, found another; try nibble pull --verify with a connection",
            subject->file ? subject->file : "a file");
    case NB_HUB_DISK_FULL:
        return nb_fail(NB_EXIT_FIT, "%s; what came is kept; try again with more room", failure->detail);
    case NB_HUB_DISK:
    case NB_HUB_CRYPTO:
        return nb_fail(NB_EXIT_FAILED, "%s", failure->detail);
    default:
        return failure->problem < NB_HUB_REDIRECT ? fail_way(failure) : fail_content(failure, subject);
    }
}
