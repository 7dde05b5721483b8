/* SPDX-License-Identifier: Apache-2.0 */
#include "signaling/dns.h"

#include <arpa/nameser.h>
#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

#define OPT_LEN 11u /* of an EDNS record without options */
#define LABEL   63u
#define ALIASES 8 /* CNAMEs that are followed */

bool dns_name_is_good(const char *name)
{
	size_t len = strlen(name), label = 0;
	bool number = true;

	if (len == 0 || len >= DNS_NAME - 16) /* there must be room for _sip._udp. */
		return false;
	for (size_t i = 0; i < len; i++) {
		char c = name[i];

		if (c == '.') {
			if (label == 0)
				return false;
			if (i + 1 < len)
				number = true;
			label = 0;
			continue;
		}
		if ((!isalnum((unsigned char)c) && c != '-' && c != '_') || ++label > LABEL)
			return false;
		number &= c >= '0' && c <= '9';
	}
	return !number;
}

static uint8_t *put16(uint8_t *at, unsigned int value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
	return at + 2;
}

/* The name in labels; NULL: it has one that is empty or too long. There is room for it. */
static uint8_t *put_name(uint8_t *at, const char *name)
{
	while (*name) {
		size_t len = strcspn(name, ".");

		if (len == 0 || len > LABEL)
			return NULL;
		*at++ = (uint8_t)len;
		memcpy(at, name, len);
		at += len;
		name += len + (name[len] == '.');
	}
	*at++ = 0;
	return at;
}

int dns_question_write(const struct dns_question *question, uint8_t *out, size_t size)
{
	uint8_t *at = out;

	if (size < HFIXEDSZ + strlen(question->name) + 2 + QFIXEDSZ + OPT_LEN || strlen(question->name) >= DNS_NAME)
		return -EINVAL;
	at = put16(at, question->id);
	at = put16(at, 0x0100); /* recursion desired */
	at = put16(at, 1);      /* one question, no answers, no authorities... */
	at = put16(put16(at, 0), 0);
	at = put16(at, 1); /* ...and the EDNS record that says how much we take */
	at = put_name(at, question->name);
	if (!at)
		return -EINVAL;
	at = put16(at, question->type);
	at = put16(at, ns_c_in);
	*at++ = 0;
	at = put16(at, ns_t_opt);
	at = put16(at, DNS_MESSAGE);
	memset(at, 0, 6);
	return (int)(at + 6 - out);
}

/* "a.b." and "A.B" are one. */
static bool same_name(const char *a, const char *b)
{
	size_t a_len = strlen(a), b_len = strlen(b);

	a_len -= a_len > 1 && a[a_len - 1] == '.';
	b_len -= b_len > 1 && b[b_len - 1] == '.';
	return a_len == b_len && strncasecmp(a, b, a_len) == 0;
}

static bool is_of(const struct dns_question *question, ns_msg *message)
{
	ns_rr rr;

	return ns_msg_id(*message) == question->id && ns_msg_getflag(*message, ns_f_qr) &&
	       ns_msg_count(*message, ns_s_qd) == 1 && ns_parserr(message, ns_s_qd, 0, &rr) == 0 &&
	       ns_rr_type(rr) == (uint16_t)question->type && ns_rr_class(rr) == ns_c_in &&
	       same_name(ns_rr_name(rr), question->name);
}

/* A name inside a record, uncompressed. */
static bool read_name(ns_msg *message, const uint8_t *at, char out[static DNS_NAME])
{
	char name[NS_MAXDNAME];

	if (ns_name_uncompress(ns_msg_base(*message), ns_msg_end(*message), at, name, sizeof(name)) < 0 ||
	    strlen(name) >= DNS_NAME)
		return false;
	strcpy(out, name[0] ? name : ".");
	return true;
}

static bool read_record(ns_msg *message, const ns_rr *rr, struct dns_record *record)
{
	const uint8_t *data = ns_rr_rdata(*rr);
	unsigned int len = ns_rr_rdlen(*rr);

	memset(record, 0, sizeof(*record));
	if (ns_rr_type(*rr) == ns_t_srv) {
		if (len < 7)
			return false;
		record->priority = (uint16_t)ns_get16(data);
		record->weight = (uint16_t)ns_get16(data + 2);
		record->port = (uint16_t)ns_get16(data + 4);
		return read_name(message, data + 6, record->target);
	}
	if (len != (ns_rr_type(*rr) == ns_t_a ? 4u : 16u))
		return false;
	record->addr.family = len == 4 ? NET_IP4 : NET_IP6;
	memcpy(record->addr.ip, data, len);
	return !net_addr_is_any(&record->addr);
}

static void note_ttl(struct dns_answer *answer, uint32_t ttl_s)
{
	/* RFC 2181 section 8: with the highest bit set it counts as none. */
	if (ttl_s > INT32_MAX)
		ttl_s = 0;
	if (ttl_s < answer->ttl_s)
		answer->ttl_s = ttl_s;
}

/* The alias of `name`: it takes its place. False: it has none. */
static bool follow_alias(ns_msg *message, char name[static DNS_NAME], struct dns_answer *answer)
{
	ns_rr rr;

	for (int i = 0; i < ns_msg_count(*message, ns_s_an); i++) {
		if (ns_parserr(message, ns_s_an, i, &rr) != 0)
			return false;
		if (ns_rr_type(rr) != ns_t_cname || ns_rr_class(rr) != ns_c_in || !same_name(ns_rr_name(rr), name))
			continue;
		note_ttl(answer, ns_rr_ttl(rr));
		return read_name(message, ns_rr_rdata(rr), name);
	}
	return false;
}

static int read_records(ns_msg *message, const struct dns_question *question, struct dns_answer *answer)
{
	char name[DNS_NAME];
	ns_rr rr;

	strcpy(name, question->name);
	for (int i = 0; i < ALIASES && follow_alias(message, name, answer); i++)
		;
	for (int i = 0; i < ns_msg_count(*message, ns_s_an) && answer->count < DNS_RECORDS; i++) {
		if (ns_parserr(message, ns_s_an, i, &rr) != 0)
			return -EIO;
		if (ns_rr_type(rr) != (uint16_t)question->type || ns_rr_class(rr) != ns_c_in ||
		    !same_name(ns_rr_name(rr), name) || !read_record(message, &rr, &answer->record[answer->count]))
			continue;
		note_ttl(answer, ns_rr_ttl(rr));
		answer->count++;
	}
	return 0;
}

/* For people: the response code (RFC 1035 section 4.1.1) of an answer that has nothing. */
static const char *code_name(int code)
{
	static const char *const names[] = {
	    [ns_r_noerror] = "no such record", [ns_r_formerr] = "FORMERR", [ns_r_servfail] = "SERVFAIL",
	    [ns_r_nxdomain] = "NXDOMAIN",      [ns_r_notimpl] = "NOTIMP",  [ns_r_refused] = "REFUSED",
	};

	return code >= 0 && (size_t)code < sizeof(names) / sizeof(names[0]) ? names[code] : "an error";
}

int dns_answer_read(const struct dns_question *question, const uint8_t *data, size_t len, struct dns_answer *answer)
{
	ns_msg message;
	int code, error = 0;

	answer->count = 0;
	answer->ttl_s = UINT32_MAX;
	answer->why = "a malformed answer";
	if (len < HFIXEDSZ || len > UINT16_MAX || ns_initparse(data, (int)len, &message) != 0 ||
	    !is_of(question, &message))
		return -EBADMSG;
	if (ns_msg_getflag(message, ns_f_tc)) {
		answer->why = "an answer too long for a datagram";
		return -EIO;
	}
	code = ns_msg_getflag(message, ns_f_rcode);
	if (code == ns_r_noerror)
		error = read_records(&message, question, answer);
	if (error == 0)
		answer->why = answer->count > 0 ? NULL : code_name(code);
	return code == ns_r_noerror || code == ns_r_nxdomain ? error : -EIO;
}
