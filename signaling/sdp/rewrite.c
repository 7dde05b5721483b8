/* SPDX-License-Identifier: Apache-2.0 */
#include "signaling/sdp/sdp.h"

#include "signaling/sip/digits.h"
#include "signaling/sip/scan.h"

struct writer {
	char *at;
	char *end;
	bool overflow;
};

/* Room for n bytes, or NULL: from then on nothing fits any more. */
static inline char *take(struct writer *w, size_t n)
{
	char *at = w->at;

	if ((size_t)(w->end - at) < n) {
		w->overflow = true;
		w->end = at;
		return NULL;
	}
	w->at = at + n;
	return at;
}

static inline void put(struct writer *w, struct sip_text text)
{
	char *to = take(w, text.len);

	if (to && text.len)
		memcpy(to, text.at, text.len);
}

#define PUT(w, literal) put((w), SIP_TEXT(literal))

/* Words, addresses: a whole block is stored where there is room for it, and overwritten by what follows. */
static inline void put_short(struct writer *w, struct sip_text text)
{
	sip_block block;

	if (text.len > SIP_BLOCK || w->end - w->at < SIP_BLOCK) {
		put(w, text);
		return;
	}
	block = sip_load_upto(text.at, sip_text_end(text));
	memcpy(w->at, &block, sizeof(block));
	w->at += text.len;
}

static void put_number(struct writer *w, uint64_t number)
{
	char digits[20], *end = digits + sizeof(digits), *at = sip_digits_before(end, number);

	put_short(w, sip_text_span(at, end));
}

/* "IN IP4 192.0.2.1" */
static void put_net(struct writer *w, const struct net_addr *addr)
{
	char text[NET_ADDR_TEXT];

	if (addr->family == NET_IP6)
		PUT(w, "IN IP6 ");
	else
		PUT(w, "IN IP4 ");
	put_short(w, sip_text(text, net_addr_print_ip(addr, text)));
}

static void put_origin(struct writer *w, const struct sdp_rewrite *rewrite)
{
	PUT(w, "o=");
	put_short(w, rewrite->username.len ? rewrite->username : SIP_TEXT("-"));
	PUT(w, " ");
	put_number(w, rewrite->session_id);
	PUT(w, " ");
	put_number(w, rewrite->version);
	PUT(w, " ");
	put_net(w, &rewrite->addr);
	PUT(w, "\r\n");
}

static void put_connection(struct writer *w, const struct sdp_rewrite *rewrite)
{
	const struct net_addr nowhere = {.family = rewrite->addr.family};

	PUT(w, "c=");
	put_net(w, rewrite->held ? &nowhere : &rewrite->addr);
	PUT(w, "\r\n");
}

static void put_media(struct writer *w, const struct sdp_media *media, uint16_t port)
{
	PUT(w, "m=");
	put_short(w, media->media);
	PUT(w, " ");
	put_number(w, port);
	PUT(w, " ");
	put_short(w, media->proto);
	PUT(w, " ");
	put_short(w, media->formats);
	PUT(w, "\r\n");
}

static void put_rtcp(struct writer *w, const struct sdp_put *what, const struct net_addr *addr)
{
	PUT(w, "a=rtcp:");
	put_number(w, what->rtcp_port ? what->rtcp_port : what->port + 1u);
	PUT(w, " ");
	put_net(w, addr);
	PUT(w, "\r\n");
}

static void write_mark(struct writer *w, const struct sdp_session *sdp, const struct sdp_rewrite *rewrite,
		       const struct sdp_mark *mark)
{
	const struct sdp_media *media = mark->media < SDP_MEDIAS ? &sdp->media[mark->media] : NULL;
	const struct sdp_put *what = media ? &rewrite->media[mark->media] : NULL;
	bool off = media && (what->reject || media->port == 0);

	switch ((enum sdp_mark_kind)mark->kind) {
	case SDP_MARK_ORIGIN:
		put_origin(w, rewrite);
		break;
	case SDP_MARK_CONNECTION:
		put_connection(w, rewrite);
		break;
	case SDP_MARK_MEDIA:
		put_media(w, media, off ? 0 : what->port);
		break;
	case SDP_MARK_RTCP:
		if (!off)
			put_rtcp(w, what, &rewrite->addr);
		break;
	case SDP_MARK_ICE:
		break;
	}
}

/* Lines as they came; where the last one has no line end it gets one. */
static void put_lines(struct writer *w, const struct sdp_session *sdp, const char *at, const char *end)
{
	bool open = sdp->open_end && end == sip_text_end(sdp->text) && at < end;

	put(w, sip_text_span(at, open ? end - (sdp->open_end - 1) : end));
	if (open)
		PUT(w, "\r\n");
}

int sdp_rewrite(const struct sdp_session *sdp, const struct sdp_rewrite *rewrite, char *out, size_t size)
{
	struct writer w = {.at = out, .end = out + size};
	const char *at = sdp->text.at;

	for (int i = 0; i < sdp->mark_count; i++) {
		const struct sdp_mark *mark = &sdp->marks[i];
		const char *start = sdp->body.at + mark->at;

		if (rewrite->keep && mark->kind != SDP_MARK_ORIGIN)
			continue;
		put_lines(&w, sdp, at, start);
		write_mark(&w, sdp, rewrite, mark);
		at = start + mark->len;
	}
	put_lines(&w, sdp, at, sip_text_end(sdp->text));
	return w.overflow ? -EMSGSIZE : (int)(w.at - out);
}
