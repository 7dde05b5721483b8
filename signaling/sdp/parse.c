/* SPDX-License-Identifier: Apache-2.0 */
#include "signaling/sdp/sdp.h"

#include "signaling/sdp/lines.h"

static enum sdp_kind find_kind(struct sip_text media)
{
	static const struct {
		struct sip_text name;
		uint8_t kind;
	} kinds[] = {
	    {SIP_TEXT_INIT("audio"), SDP_AUDIO},
	    {SIP_TEXT_INIT("video"), SDP_VIDEO},
	    {SIP_TEXT_INIT("image"), SDP_IMAGE},
	    {SIP_TEXT_INIT("text"), SDP_TEXT},
	    {SIP_TEXT_INIT("application"), SDP_APPLICATION},
	    {SIP_TEXT_INIT("message"), SDP_MESSAGE},
	};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (sip_text_equal_nocase(media, kinds[i].name))
			return (enum sdp_kind)kinds[i].kind;
	return SDP_OTHER;
}

static int parse_port(struct sip_text text, uint16_t *port)
{
	uint32_t number;

	if (sip_text_to_u32(text, &number) != 0 || number > UINT16_MAX)
		return -EINVAL;
	*port = (uint16_t)number;
	return 0;
}

/* "IN IP4 192.0.2.1": what c=, o= and a=rtcp have in common. */
static int parse_net_words(struct sip_text *rest, struct sip_text *host, bool *is_ip6)
{
	struct sip_text net_type, addr_type;
	const char *end = sip_text_end(*rest);

	/* As nearly all come: this, and an address that ends the line. */
	if (rest->len > 7 && memcmp(rest->at, "IN IP4 ", 7) == 0 && sip_find(rest->at + 7, end, ' ') == end) {
		*host = sip_text_span(rest->at + 7, end);
		*rest = sip_text(end, 0);
		*is_ip6 = false;
		return 0;
	}
	net_type = sdp_word(rest);
	addr_type = sdp_word(rest);
	*is_ip6 = sip_text_is_nocase(addr_type, "IP6");
	*host = sdp_word(rest);
	return sip_text_is_nocase(net_type, "IN") && (*is_ip6 || sip_text_is_nocase(addr_type, "IP4")) && host->len
		   ? 0
		   : -EINVAL;
}

static int parse_net(struct sip_text *rest, struct sip_text *host, struct net_addr *addr, bool *is_ip6)
{
	struct sip_text ip;

	memset(addr, 0, sizeof(*addr));
	if (parse_net_words(rest, host, is_ip6) != 0)
		return -EINVAL;
	/* Multicast addresses carry "/ttl" and "/count"; the address is what stands before them. */
	ip = sip_text_span(host->at, sip_find(host->at, sip_text_end(*host), '/'));
	if (net_addr_parse(addr, ip.at, ip.len) != 0 || addr->port != 0)
		memset(addr, 0, sizeof(*addr)); /* a host name */
	else if ((addr->family == NET_IP6) != *is_ip6)
		return -EINVAL;
	return 0;
}

static int parse_connection(struct sdp_connection *connection, struct sip_text value)
{
	return parse_net(&value, &connection->host, &connection->addr, &connection->is_ip6);
}

static int parse_origin(struct sdp_origin *origin, struct sip_text value)
{
	bool is_ip6;

	origin->username = sdp_word(&value);
	origin->session_id = sdp_word(&value);
	origin->version = sdp_word(&value);
	return origin->version.len ? parse_net_words(&value, &origin->host, &is_ip6) : -EINVAL;
}

static int parse_media(struct sdp_media *media, struct sip_text value)
{
	struct sip_text port, count, word, rest;
	const char *slash;

	memset(media, 0, offsetof(struct sdp_media, format));
	media->media = sdp_word(&value);
	port = sdp_word(&value);
	media->proto = sdp_word(&value);
	media->formats = sip_text_trim(value);
	media->kind = (uint8_t)find_kind(media->media);
	slash = port.len ? memchr(port.at, '/', port.len) : NULL;
	count = slash ? sip_text_span(slash + 1, sip_text_end(port)) : SIP_TEXT("1");
	if (slash)
		port = sip_text_span(port.at, slash);
	if (parse_port(port, &media->port) != 0 || parse_port(count, &media->port_count) != 0 || !media->port_count ||
	    !media->proto.len || !media->formats.len)
		return -EINVAL;
	rest = media->formats;
	while (media->format_count < SDP_FORMATS && (word = sdp_word(&rest)).len) {
		media->rtpmap[media->format_count].at = 0;
		media->format[media->format_count++] = word;
	}
	media->encrypted = sip_text_is_nocase(media->proto, "RTP/SAVP") ||
			   sip_text_is_nocase(media->proto, "RTP/SAVPF") || sip_text_starts(media->proto, "UDP/TLS/");
	return 0;
}

static bool parse_direction(struct sip_text attribute, uint8_t *direction)
{
	static const char names[][9] = {"sendrecv", "sendonly", "recvonly", "inactive"};

	if (attribute.len != 8)
		return false;
	for (uint8_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (memcmp(attribute.at, names[i], 8) == 0) {
			*direction = i;
			return true;
		}
	}
	return false;
}

/* a=rtcp:53020 IN IP6 2001:db8::1 (RFC 3605) */
static int parse_rtcp(struct sdp_media *media, struct sip_text value)
{
	struct sip_text port = sdp_word(&value), host;
	bool is_ip6;

	if (parse_port(port, &media->rtcp_port) != 0)
		return -EINVAL;
	media->has_rtcp = true;
	return value.len ? parse_net(&value, &host, &media->rtcp_addr, &is_ip6) : 0;
}

static void mark(struct sdp_session *sdp, enum sdp_mark_kind kind, const char *at, const char *end)
{
	sdp->marks[sdp->mark_count++] = (struct sdp_mark){
	    .at = (uint16_t)(at - sdp->body.at),
	    .len = (uint16_t)(end - at),
	    .kind = (uint8_t)kind,
	    .media = sdp->media_count ? (uint8_t)(sdp->media_count - 1) : SDP_MEDIAS,
	};
}

/* Words are short, and most differ in their first letter. */
static inline bool same_word(struct sip_text a, struct sip_text b)
{
	return a.len == b.len && a.len && *a.at == *b.at && memcmp(a.at, b.at, a.len) == 0;
}

/* a=rtpmap:8 PCMA/8000 */
static void parse_rtpmap(struct sdp_media *media, struct sip_text value)
{
	struct sip_text format = sdp_word(&value);

	value = sip_text_trim(value);
	for (int i = 0; i < media->format_count; i++)
		if (media->rtpmap[i].at == 0 && same_word(media->format[i], format))
			media->rtpmap[i] = (struct sdp_rtpmap){.at = (uint16_t)(value.at - media->lines.at),
							       .len = (uint16_t)value.len};
}

static int media_attribute(struct sdp_session *sdp, struct sdp_media *media, const struct sdp_line *line)
{
	struct sip_text value, name = sdp_attribute_name(line->value, &value);
	uint32_t number;

	if (sip_text_is(name, "rtpmap")) {
		parse_rtpmap(media, value);
	} else if (parse_direction(name, &media->direction)) {
		media->has_direction = true;
	} else if (sip_text_is(name, "rtcp")) {
		mark(sdp, SDP_MARK_RTCP, line->start, line->next);
		return parse_rtcp(media, value);
	} else if (sip_text_is(name, "rtcp-mux")) {
		media->rtcp_mux = true;
	} else if (sip_text_is(name, "ptime")) {
		if (sip_text_to_u32(value, &number) == 0 && number <= UINT16_MAX)
			media->ptime_ms = (uint16_t)number;
	} else if (sip_text_is(name, "crypto") || sip_text_is(name, "fingerprint")) {
		media->encrypted = true;
	} else if (sdp_is_ice(name)) {
		mark(sdp, SDP_MARK_ICE, line->start, line->next);
		media->has_ice = true;
	}
	return 0;
}

static void session_attribute(struct sdp_session *sdp, const struct sdp_line *line)
{
	struct sip_text value, name = sdp_attribute_name(line->value, &value);

	if (parse_direction(name, &sdp->direction)) {
		sdp->has_direction = true;
	} else if (sip_text_is(name, "fingerprint")) {
		sdp->has_fingerprint = true;
	} else if (sdp_is_ice(name)) {
		mark(sdp, SDP_MARK_ICE, line->start, line->next);
		sdp->has_ice = true;
	}
}

static struct sdp_media *current_media(struct sdp_session *sdp)
{
	return sdp->media_count ? &sdp->media[sdp->media_count - 1] : NULL;
}

/* Closes the media before this place, if there is one. */
static void close_media(struct sdp_session *sdp, const char *end)
{
	struct sdp_media *media = current_media(sdp);

	if (media)
		media->lines = sip_text_span(media->lines.at, end);
}

static int open_media(struct sdp_session *sdp, const struct sdp_line *line)
{
	close_media(sdp, line->start);
	if (sdp->media_count == SDP_MEDIAS)
		return -E2BIG;
	if (parse_media(&sdp->media[sdp->media_count], line->value) != 0)
		return -EINVAL;
	sdp->media[sdp->media_count++].lines.at = line->start;
	mark(sdp, SDP_MARK_MEDIA, line->start, line->next);
	return 0;
}

static int parse_session_line(struct sdp_session *sdp, const struct sdp_line *line)
{
	switch (line->type) {
	case 'o':
		mark(sdp, SDP_MARK_ORIGIN, line->start, line->next);
		return 0;
	case 'c':
		mark(sdp, SDP_MARK_CONNECTION, line->start, line->next);
		return parse_connection(&sdp->connection, line->value);
	case 'a':
		session_attribute(sdp, line);
		return 0;
	default:
		return 0;
	}
}

static int parse_media_line(struct sdp_session *sdp, struct sdp_media *media, const struct sdp_line *line)
{
	switch (line->type) {
	case 'c':
		mark(sdp, SDP_MARK_CONNECTION, line->start, line->next);
		return parse_connection(&media->connection, line->value);
	case 'a':
		return media_attribute(sdp, media, line);
	default:
		return 0;
	}
}

static int parse_line(struct sdp_session *sdp, const struct sdp_line *line)
{
	struct sdp_media *media = current_media(sdp);

	if (line->type == 'm')
		return open_media(sdp, line);
	return media ? parse_media_line(sdp, media, line) : parse_session_line(sdp, line);
}

/* v=, o= and s= in this order (RFC 8866 section 5). */
static int parse_head(struct sdp_session *sdp, struct sdp_line *line, const char **at, const char *end)
{
	if (sdp_next_line(at, end, line) != 1 || line->type != 'v' || !sip_text_is(line->value, "0"))
		return -EINVAL;
	if (sdp_next_line(at, end, line) != 1 || line->type != 'o' || parse_origin(&sdp->origin, line->value) != 0)
		return -EINVAL;
	mark(sdp, SDP_MARK_ORIGIN, line->start, line->next);
	return sdp_next_line(at, end, line) == 1 && line->type == 's' ? 0 : -EINVAL;
}

/* What needs the whole description: directions inherited, addresses known. */
static int finish(struct sdp_session *sdp)
{
	for (int i = 0; i < sdp->media_count; i++) {
		struct sdp_media *media = &sdp->media[i];

		if (!media->has_direction)
			media->direction = sdp->direction;
		media->encrypted |= sdp->has_fingerprint;
		media->has_ice |= sdp->has_ice;
		if (media->port && !media->connection.host.at && !sdp->connection.host.at)
			return -EINVAL;
	}
	return 0;
}

int sdp_parse(struct sdp_session *sdp, struct sip_text body)
{
	const char *at = body.at, *end = sip_text_end(body);
	struct sdp_line line;
	int error, more, lines = 3;

	memset(sdp, 0, offsetof(struct sdp_session, media));
	sdp->body = body;
	if (body.len == 0)
		return -ENODATA;
	if (body.len > SDP_BODY_MAX)
		return -E2BIG;
	error = parse_head(sdp, &line, &at, end);
	if (error)
		return error;
	while ((more = sdp_next_line(&at, end, &line)) == 1) {
		if (++lines > SDP_LINES)
			return -E2BIG;
		error = parse_line(sdp, &line);
		if (error)
			return error;
	}
	if (more < 0)
		return more;
	sdp->text = sip_text_span(body.at, line.next);
	if (line.next[-1] != '\n')
		sdp->open_end = (uint8_t)(line.next - sip_text_end(line.value) + 1);
	close_media(sdp, end);
	return finish(sdp);
}
