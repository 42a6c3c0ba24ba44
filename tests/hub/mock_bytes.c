// SPDX-License-Identifier: Apache-2.0
// How bodies travel: whole or in part, honestly or as a fault has it.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "tests/hub/mock_state.h"

enum { BLOCK_BYTES = 256 * 1024 };

// A body under way. `fault` changes what comes when; kinds that it does not know change nothing.
typedef struct sending {
    mock_entry *entry;
    struct MHD_Connection *connection;
    mock_body body;
    uint64_t begin; // of the body, in the file
    uint64_t end;   // of what is sent, in the file
    bool has_fault;
    mock_fault fault;
} sending;

// False when the Hub stops.
static bool sleep_ms(mock_hub *hub, unsigned ms)
{
    for (unsigned slept = 0; slept < ms && !hub->is_stopping; slept += 10)
        nanosleep(&(struct timespec){.tv_nsec = 10 * 1000 * 1000}, NULL);
    return !hub->is_stopping;
}

static int socket_of(struct MHD_Connection *connection)
{
    return MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
}

// How many of `n` bytes at `position` of the body may go now; -1: the connection ends here.
static ssize_t allowance(sending *s, uint64_t position, size_t n)
{
    mock_hub *hub = s->entry->hub;
    uint64_t at = s->fault.at;
    bool is_there = s->has_fault && position >= at;
    switch (s->has_fault ? s->fault.kind : MOCK_HEADERS) {
    case MOCK_RESET:
        if (is_there) // to be connected to nobody: TCP resets
            connect(socket_of(s->connection), &(struct sockaddr){.sa_family = AF_UNSPEC}, sizeof(struct sockaddr));
        // fall through
    case MOCK_CUT:
        return is_there ? -1 : (ssize_t)(n < at - position ? n : at - position);
    case MOCK_GZIP:
        if (at == 0)
            return (ssize_t)n;
        return is_there ? -1 : (ssize_t)(n < at - position ? n : at - position);
    case MOCK_STALL:
        while (is_there && sleep_ms(hub, 100))
            ;
        return is_there ? -1 : (ssize_t)(n < at - position ? n : at - position);
    case MOCK_TRICKLE:
        if (!is_there)
            return (ssize_t)(n < at - position ? n : at - position);
        return sleep_ms(hub, 1000) ? 1 : -1;
    case MOCK_PACE:
        return sleep_ms(hub, 20) ? (ssize_t)(n < at / 50 + 1 ? n : at / 50 + 1) : -1;
    default:
        return (ssize_t)n;
    }
}

// Bytes of the file from `from` on; zeros behind its end.
static void copy_bytes(const sending *s, uint64_t from, char *to, size_t n)
{
    size_t n_there = from >= s->body.bytes ? 0 : n < s->body.bytes - from ? n : (size_t)(s->body.bytes - from);
    memcpy(to, s->body.data + from, n_there);
    memset(to + n_there, 0, n - n_there);
    if (s->has_fault && s->fault.kind == MOCK_FLIP && s->fault.at >= from && s->fault.at < from + n)
        to[s->fault.at - from] ^= 0x55;
}

static ssize_t on_read(void *user, uint64_t position, char *to, size_t n)
{
    sending *s = user;
    uint64_t left = s->end - s->begin - position;
    if (left == 0)
        return MHD_CONTENT_READER_END_OF_STREAM;
    ssize_t allowed = allowance(s, position, left < n ? (size_t)left : n);
    if (allowed < 0)
        return MHD_CONTENT_READER_END_WITH_ERROR;
    copy_bytes(s, s->begin + position, to, (size_t)allowed);
    s->entry->served_bytes += (uint64_t)allowed;
    return allowed;
}

static void on_sent(void *user)
{
    sending *s = user;
    if (s->body.is_owned)
        free((void *)(uintptr_t)s->body.data);
    free(s);
}

// ---- gzip --------------------------------------------------------------------------------------------------------

static uint32_t checksum(const uint8_t *data, uint64_t bytes) // CRC-32, as gzip has it
{
    uint32_t sum = UINT32_MAX;
    for (uint64_t i = 0; i < bytes; i++) {
        sum ^= data[i];
        for (int bit = 0; bit < 8; bit++)
            sum = sum >> 1 ^ (sum & 1 ? 0xedb88320u : 0);
    }
    return ~sum;
}

static uint8_t *put_number(uint8_t *to, uint32_t number, int bytes)
{
    for (int i = 0; i < bytes; i++)
        *to++ = (uint8_t)(number >> 8 * i);
    return to;
}

// RFC 1952, of blocks that are stored as they are.
static mock_body gzip_of(mock_body body)
{
    enum { MAX_BLOCK = 65535 };
    static const uint8_t head[10] = {0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3};
    uint8_t *data = mock_memory(sizeof head + body.bytes + 5 * (body.bytes / MAX_BLOCK + 1) + 8), *to = data;
    memcpy(to, head, sizeof head);
    to += sizeof head;
    uint64_t done = 0;
    do {
        uint32_t n = body.bytes - done < MAX_BLOCK ? (uint32_t)(body.bytes - done) : MAX_BLOCK;
        *to++ = done + n == body.bytes;
        to = put_number(put_number(to, n, 2), ~n, 2);
        memcpy(to, body.data + done, n);
        to += n;
        done += n;
    } while (done < body.bytes);
    to = put_number(put_number(to, checksum(body.data, body.bytes), 4), (uint32_t)body.bytes, 4);
    if (body.is_owned)
        free((void *)(uintptr_t)body.data);
    return (mock_body){data, (uint64_t)(to - data), true};
}

static mock_body encoded(const mock_entry *entry, mock_body body)
{
    return entry->is_struck && entry->fault.kind == MOCK_GZIP ? gzip_of(body) : body;
}

// ---- headers -----------------------------------------------------------------------------------------------------

static void add_header(mock_hub *hub, struct MHD_Response *response, const char *line, size_t n)
{
    char text[4096], value[4096];
    snprintf(text, sizeof text, "%.*s", (int)n, line);
    char *colon = strchr(text, ':');
    if (!colon)
        mock_die("a header without a colon");
    *colon++ = 0;
    colon += strspn(colon, " ");
    char *host = strstr(colon, "{hub}") ? strstr(colon, "{hub}") : strstr(colon, "{cdn}");
    if (host)
        snprintf(value, sizeof value, "%.*s%.64s%.2000s", (int)(host - colon), colon,
                 host[1] == 'h' ? hub->endpoint : hub->cdn_endpoint, host + 5);
    if (MHD_add_response_header(response, text, host ? value : colon) != MHD_YES)
        mock_die("a header that cannot be");
}

static void add_headers(mock_hub *hub, struct MHD_Response *response, const char *headers)
{
    for (const char *line = headers; line && *line;) {
        size_t n = strcspn(line, "\n");
        add_header(hub, response, line, n);
        line += n + (line[n] == '\n');
    }
}

// ---- bodies ------------------------------------------------------------------------------------------------------

static enum MHD_Result queue(sending *s, unsigned status, const char *headers)
{
    mock_entry *entry = s->entry;
    bool is_chunked = s->has_fault && s->fault.kind == MOCK_CHUNKED;
    struct MHD_Response *response = MHD_create_response_from_callback(is_chunked ? MHD_SIZE_UNKNOWN : s->end - s->begin,
                                                                      BLOCK_BYTES, on_read, s, on_sent);
    if (!response)
        mock_die("no response");
    add_headers(entry->hub, response, headers);
    if (s->has_fault && s->fault.kind == MOCK_HEADERS)
        add_headers(entry->hub, response, s->fault.headers);
    if (s->has_fault && s->fault.kind == MOCK_GZIP)
        add_headers(entry->hub, response, "Content-Encoding: gzip\n");
    pthread_mutex_lock(&entry->hub->lock);
    entry->request.status = status;
    pthread_mutex_unlock(&entry->hub->lock);
    enum MHD_Result result = MHD_queue_response(s->connection, status, response);
    MHD_destroy_response(response);
    return result;
}

static sending *sending_of(mock_entry *entry, struct MHD_Connection *connection, mock_body body)
{
    sending *s = mock_memory(sizeof *s);
    *s = (sending){.entry = entry, .connection = connection, .body = body, .end = body.bytes};
    s->has_fault = entry->is_struck;
    s->fault = entry->fault;
    return s;
}

enum MHD_Result mock_send(mock_entry *entry, struct MHD_Connection *connection, unsigned status, const char *headers,
                          mock_body body)
{
    return queue(sending_of(entry, connection, encoded(entry, body)), status, headers);
}

// Where the part that the fault makes of the one asked for begins; what Content-Range says of it.
static uint64_t bend_range(const mock_entry *entry, uint64_t begin, uint64_t *said)
{
    uint64_t back = entry->is_struck && entry->fault.at < begin ? entry->fault.at : begin;
    mock_fault_kind kind = entry->is_struck ? entry->fault.kind : MOCK_HEADERS;
    *said = kind == MOCK_SHIFT_RANGE ? begin - back : begin;
    return kind == MOCK_SHIFT_RANGE || kind == MOCK_LIE_RANGE ? begin - back : begin;
}

enum MHD_Result mock_send_item(mock_entry *entry, struct MHD_Connection *connection, const mock_item *item,
                               const char *headers)
{
    const char *range = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, "Range");
    mock_fault_kind kind = entry->is_struck ? entry->fault.kind : MOCK_HEADERS;
    sending *s = sending_of(entry, connection, encoded(entry, (mock_body){item->data, item->bytes, false}));
    unsigned long long first = 0, last = 0;
    int n_read = range ? sscanf(range, "bytes=%llu-%llu", &first, &last) : 0;
    char text[4096];
    bool is_all = n_read < 1 || kind == MOCK_IGNORE_RANGE || kind == MOCK_GZIP;
    if (!is_all && first >= item->bytes) {
        snprintf(text, sizeof text, "%sContent-Range: bytes */%llu\n", headers, (unsigned long long)item->bytes);
        s->begin = s->end;
        return queue(s, 416, text);
    }
    if (kind == MOCK_SHORT)
        s->end -= entry->fault.at < s->end ? entry->fault.at : s->end;
    if (kind == MOCK_LONG)
        s->end += entry->fault.at;
    if (is_all)
        return queue(s, 200, headers);
    if (n_read == 2 && last < s->end)
        s->end = last + 1;
    uint64_t said, length = s->end - first;
    s->begin = bend_range(entry, first, &said);
    if (kind == MOCK_LIE_RANGE)
        s->end = s->begin + length;
    snprintf(text, sizeof text, "%sContent-Range: bytes %llu-%llu/%llu\n", headers, (unsigned long long)said,
             (unsigned long long)(said + (s->end - s->begin) - 1), (unsigned long long)item->bytes);
    return queue(s, 206, text);
}

static ssize_t on_endless(void *user, uint64_t position, char *to, size_t n)
{
    mock_entry *entry = user;
    const mock_fault *fault = &entry->fault;
    if (entry->hub->is_stopping)
        return MHD_CONTENT_READER_END_WITH_ERROR;
    for (size_t i = 0; i < n; i++)
        to[i] = fault->body[(position + i) % fault->body_bytes];
    entry->served_bytes += n;
    return (ssize_t)n;
}

enum MHD_Result mock_send_endless(mock_entry *entry, struct MHD_Connection *connection)
{
    struct MHD_Response *response =
        MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK_BYTES, on_endless, entry, NULL);
    if (!response)
        mock_die("no response");
    add_headers(entry->hub, response, entry->fault.headers);
    enum MHD_Result result = MHD_queue_response(connection, entry->fault.status ? entry->fault.status : 200, response);
    MHD_destroy_response(response);
    return result;
}

// Whether all went to the socket.
static bool send_all(mock_entry *entry, struct MHD_Connection *connection, const char *bytes, size_t n)
{
    bool is_slow = entry->fault.kind == MOCK_RAW_TRICKLE;
    while (n > 0 && !entry->hub->is_stopping) {
        ssize_t sent = send(socket_of(connection), bytes, is_slow ? 1 : n, MSG_NOSIGNAL);
        if (sent <= 0 || (is_slow && !sleep_ms(entry->hub, 100)))
            return false;
        entry->served_bytes += (uint64_t)sent;
        bytes += sent;
        n -= (size_t)sent;
    }
    return n == 0;
}

// MHD_NO ends the connection.
enum MHD_Result mock_send_raw(mock_entry *entry, struct MHD_Connection *connection)
{
    const mock_fault *fault = &entry->fault;
    if (fault->kind == MOCK_SILENCE) {
        while (sleep_ms(entry->hub, 100))
            ;
        return MHD_NO;
    }
    const char *head = fault->headers ? fault->headers : "";
    bool is_open = send_all(entry, connection, head, strlen(head));
    for (uint64_t turn = 0; is_open && turn <= fault->at; turn++)
        is_open = send_all(entry, connection, fault->body, fault->body_bytes);
    return MHD_NO;
}
