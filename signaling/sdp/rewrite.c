/* SPDX-License-Identifier: Apache-2.0 */
#include "signaling/sdp/sdp.h"

#include "signaling/sdp/lines.h"

struct writer {
	char *at;
	size_t left;
	bool overflow;
};

static void put(struct writer *w, struct sip_text text)
{
	if (w->overflow || text.len > w->left) {
		w->overflow = true;
		return;
	}
	if (text.len)
		memcpy(w->at, text.at, text.len);
	w->at += text.len;
	w->left -= text.len;
}

#define PUT(w, literal) put((w), SIP_TEXT(literal))

static void put_number(struct writer *w, uint64_t number)
{
	char digits[20];
	size_t at = sizeof(digits);

	do {
		digits[--at] = (char)('0' + number % 10);
		number /= 10;
	} while (number);
	put(w, sip_text(digits + at, sizeof(digits) - at));
}

/* "IN IP4 192.0.2.1" */
static void put_net(struct writer *w, const struct net_addr *addr)
{
	char text[NET_ADDR_TEXT];

	put(w, addr->family == NET_IP6 ? SIP_TEXT("IN IP6 ") : SIP_TEXT("IN IP4 "));
	put(w, sip_text(text, net_addr_print_ip(addr, text)));
}

static void put_line_end(struct writer *w)
{
	PUT(w, "\r\n");
}

static void put_origin(struct writer *w, const struct sdp_rewrite *rewrite)
{
	PUT(w, "o=");
	put(w, rewrite->username.len ? rewrite->username : SIP_TEXT("-"));
	PUT(w, " ");
	put_number(w, rewrite->session_id);
	PUT(w, " ");
	put_number(w, rewrite->version);
	PUT(w, " ");
	put_net(w, &rewrite->addr);
	put_line_end(w);
}

static void put_connection(struct writer *w, const struct net_addr *addr)
{
	PUT(w, "c=");
	put_net(w, addr);
	put_line_end(w);
}

static void put_media(struct writer *w, const struct sdp_media *media, uint16_t port)
{
	PUT(w, "m=");
	put(w, media->media);
	PUT(w, " ");
	put_number(w, port);
	PUT(w, " ");
	put(w, media->proto);
	PUT(w, " ");
	put(w, media->formats);
	put_line_end(w);
}

static void put_rtcp(struct writer *w, const struct sdp_put *what)
{
	PUT(w, "a=rtcp:");
	put_number(w, what->rtcp_port ? what->rtcp_port : what->rtp.port + 1u);
	PUT(w, " ");
	put_net(w, &what->rtp);
	put_line_end(w);
}

/* The line as it came, its own line end included; the last line of a body may have none. */
static void put_as_is(struct writer *w, const struct sdp_line *line)
{
	if (line->next[-1] == '\n') {
		put(w, sip_text_span(line->start, line->next));
	} else {
		put(w, sip_text_span(line->start, sip_text_end(line->value)));
		put_line_end(w);
	}
}

/* Every media that is kept says its own address: the session's line would no longer be true for it. */
static bool needs_own_connection(const struct sdp_session *sdp, const struct sdp_rewrite *rewrite, int index)
{
	const struct sdp_media *media = &sdp->media[index];
	const struct sdp_put *what = &rewrite->media[index];

	if (media->connection.host.at || media->port == 0 || what->reject)
		return false;
	return what->keep || !net_addr_equal_ip(&what->rtp, &rewrite->addr);
}

static void put_kept_connection(struct writer *w, const struct sdp_session *sdp)
{
	PUT(w, "c=");
	put(w, sdp->connection.is_ip6 ? SIP_TEXT("IN IP6 ") : SIP_TEXT("IN IP4 "));
	put(w, sdp->connection.host);
	put_line_end(w);
}

static void write_session_line(struct writer *w, const struct sdp_line *line, const struct sdp_rewrite *rewrite)
{
	struct sip_text value;

	if (line->type == 'o')
		put_origin(w, rewrite);
	else if (line->type == 'c')
		put_connection(w, &rewrite->addr);
	else if (line->type != 'a' || rewrite->keep_ice || !sdp_is_ice(sdp_attribute_name(line->value, &value)))
		put_as_is(w, line);
}

/*
 * c= comes after i= and before everything else of a media (RFC 8866 section 5), so a line that was not there is put
 * right before the first line that may follow it.
 */
static void write_missing_connection(struct writer *w, const struct sdp_session *sdp, const struct sdp_rewrite *rewrite,
				     int index)
{
	if (rewrite->media[index].keep)
		put_kept_connection(w, sdp);
	else
		put_connection(w, &rewrite->media[index].rtp);
}

static void write_media_line(struct writer *w, const struct sdp_line *line, const struct sdp_media *media,
			     const struct sdp_rewrite *rewrite, const struct sdp_put *what)
{
	bool off = what->reject || media->port == 0;
	struct sip_text name, value;

	if (what->keep) {
		put_as_is(w, line);
		return;
	}
	switch (line->type) {
	case 'm':
		put_media(w, media, off ? 0 : what->rtp.port);
		return;
	case 'c':
		put_connection(w, off ? &rewrite->addr : &what->rtp);
		return;
	case 'a':
		name = sdp_attribute_name(line->value, &value);
		if (sdp_is_ice(name) && !rewrite->keep_ice)
			return;
		if (sip_text_is(name, "rtcp")) {
			if (!off)
				put_rtcp(w, what);
			return;
		}
		break;
	default:
		break;
	}
	put_as_is(w, line);
}

static void write_media(struct writer *w, const struct sdp_session *sdp, const struct sdp_rewrite *rewrite, int index)
{
	const struct sdp_media *media = &sdp->media[index];
	const char *at = media->lines.at, *end = sip_text_end(media->lines);
	bool missing = needs_own_connection(sdp, rewrite, index);
	struct sdp_line line;

	while (sdp_next_line(&at, end, &line) == 1) {
		if (missing && line.type != 'm' && line.type != 'i') {
			write_missing_connection(w, sdp, rewrite, index);
			missing = false;
		}
		write_media_line(w, &line, media, rewrite, &rewrite->media[index]);
	}
	if (missing)
		write_missing_connection(w, sdp, rewrite, index);
}

int sdp_rewrite(const struct sdp_session *sdp, const struct sdp_rewrite *rewrite, char *out, size_t size)
{
	const char *at = sdp->body.at;
	const char *end = sdp->media_count ? sdp->media[0].lines.at : sip_text_end(sdp->body);
	struct writer w = {.at = out, .left = size};
	struct sdp_line line;

	while (sdp_next_line(&at, end, &line) == 1)
		write_session_line(&w, &line, rewrite);
	for (int i = 0; i < sdp->media_count; i++)
		write_media(&w, sdp, rewrite, i);
	return w.overflow ? -EMSGSIZE : (int)(w.at - out);
}
