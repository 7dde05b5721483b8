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

static void put_connection(struct writer *w, const struct net_addr *addr)
{
	PUT(w, "c=");
	put_net(w, addr);
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

static void put_rtcp(struct writer *w, const struct sdp_put *what)
{
	PUT(w, "a=rtcp:");
	put_number(w, what->rtcp_port ? what->rtcp_port : what->rtp.port + 1u);
	PUT(w, " ");
	put_net(w, &what->rtp);
	PUT(w, "\r\n");
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
	PUT(w, "\r\n");
}

/* Does the mark change anything? What does not is copied with the lines around it. */
static bool changes(const struct sdp_session *sdp, const struct sdp_rewrite *rewrite, const struct sdp_mark *mark)
{
	bool keep = mark->media < SDP_MEDIAS && rewrite->media[mark->media].keep;

	if (mark->kind == SDP_MARK_PLACE)
		return needs_own_connection(sdp, rewrite, mark->media);
	return !keep && !(mark->kind == SDP_MARK_ICE && rewrite->keep_ice);
}

static void write_mark(struct writer *w, const struct sdp_session *sdp, const struct sdp_rewrite *rewrite,
		       const struct sdp_mark *mark)
{
	bool in_media = mark->media < SDP_MEDIAS;
	const struct sdp_media *media = in_media ? &sdp->media[mark->media] : NULL;
	const struct sdp_put *what = in_media ? &rewrite->media[mark->media] : NULL;
	bool off = in_media && (what->reject || media->port == 0);

	switch ((enum sdp_mark_kind)mark->kind) {
	case SDP_MARK_ORIGIN:
		put_origin(w, rewrite);
		break;
	case SDP_MARK_CONNECTION:
		put_connection(w, off || !in_media ? &rewrite->addr : &what->rtp);
		break;
	case SDP_MARK_MEDIA:
		put_media(w, media, off ? 0 : what->rtp.port);
		break;
	case SDP_MARK_PLACE:
		if (what->keep)
			put_kept_connection(w, sdp);
		else
			put_connection(w, &what->rtp);
		break;
	case SDP_MARK_RTCP:
		if (!off)
			put_rtcp(w, what);
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

		if (!changes(sdp, rewrite, mark))
			continue;
		put_lines(&w, sdp, at, start);
		write_mark(&w, sdp, rewrite, mark);
		at = start + mark->len;
	}
	put_lines(&w, sdp, at, sip_text_end(sdp->text));
	return w.overflow ? -EMSGSIZE : (int)(w.at - out);
}
