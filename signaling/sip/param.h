/* SPDX-License-Identifier: Apache-2.0 */
/* Parameters and hosts as nearly all of them are, for those who read them in every message. Private to the codec. */
#ifndef TANDEM_SIGNALING_SIP_PARAM_H
#define TANDEM_SIGNALING_SIP_PARAM_H

#include "signaling/sip/chars.h"
#include "signaling/sip/uri.h"

/* "= value" at the place, white space allowed everywhere, in quotes perhaps: behind it and what follows it, or NULL. */
const char *sip_take_value(const char *at, const char *end, struct sip_text *value);

__attribute__((always_inline)) static inline int sip_take_param(struct sip_text *params, struct sip_text *name,
								struct sip_text *value)
{
	const char *end = sip_text_end(*params), *at = params->at, *start;
	sip_block block;
	uint32_t stops;

	if (at == end || *at != ';')
		at = sip_skip_lws(at, end);
	if (at == end)
		return 0;
	if (*at != ';')
		return -EINVAL;
	start = at + 1;
	if (start < end && (unsigned char)*start <= ' ')
		start = sip_skip_lws(start, end);
	/* Nearly all parameters are letters, an equals sign and a value that ends in the same block. */
	block = sip_load_upto(start, end);
	at = start + __builtin_ctz(~sip_bits(sip_is_letter(block)));
	at = sip_skip_class(at, end, SIP_C_PARAM | SIP_C_TOKEN);
	if (at == start)
		return -EINVAL;
	*name = sip_text_span(start, at);
	*value = (struct sip_text){NULL, 0};
	if (at < end && *at == '=') {
		stops = at - start < SIP_BLOCK ? sip_bits(sip_is_no_value(block)) >> (at - start) >> 1 : 0;
		start = at + 1;
		at = stops ? start + __builtin_ctz(stops) : sip_skip_value(start, end);
		*value = sip_text_span(start, at);
	}
	if (at < end && *at != ';') {
		*value = (struct sip_text){NULL, 0};
		at = sip_take_value(sip_text_end(*name), end, value);
		if (!at)
			return -EINVAL;
	}
	*params = sip_text_span(at, end);
	return 1;
}

/* sip_hostport_parse() for what is no IPv6 reference and has no white space in it; the others go there. */
static inline int sip_take_hostport(const char **at, const char *end, struct sip_text *host, uint16_t *port,
				    bool *is_ip6)
{
	const char *start = *at, *stop = sip_skip_host(start, end), *digits;
	uint32_t number = 0, digit;

	if (stop == start)
		return sip_hostport_parse(at, end, host, port, is_ip6);
	if (stop < end && *stop != ';') {
		if (*stop != ':')
			return sip_hostport_parse(at, end, host, port, is_ip6);
		digits = stop + 1;
		for (; digits < end && (digit = (unsigned char)*digits - (uint32_t)'0') <= 9 && number <= UINT16_MAX;
		     digits++)
			number = number * 10 + digit;
		if (number == 0 || number > UINT16_MAX)
			return sip_hostport_parse(at, end, host, port, is_ip6);
		*at = digits;
	} else {
		*at = stop;
	}
	*host = sip_text_span(start, stop);
	*port = (uint16_t)number;
	*is_ip6 = false;
	return 0;
}

#endif
