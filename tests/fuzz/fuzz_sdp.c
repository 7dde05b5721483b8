/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any session description: read it, and write it with other addresses. What was written must be readable again, and
 * come out the same where there is just room for it; the name of a format is what the lines say.
 */
#include "signaling/sdp/lines.h"
#include "signaling/sdp/sdp.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool condition)
{
	if (!condition)
		abort();
}

/* The first a=rtpmap of a format, looked for line by line. */
static void check_names(const struct sdp_media *media)
{
	for (int i = 0; i < media->format_count; i++) {
		const char *at = media->lines.at, *end = sip_text_end(media->lines);
		struct sip_text name = {NULL, 0}, value;
		struct sdp_line line;

		while (!name.at && sdp_next_line(&at, end, &line) == 1)
			if (line.type == 'a' && sip_text_is(sdp_attribute_name(line.value, &value), "rtpmap") &&
			    sip_text_equal(sdp_word(&value), media->format[i]))
				name = sip_text_trim(value);
		must(!name.at || sip_text_equal(sdp_format_name(media, media->format[i]), name));
	}
}

static void check_room(const struct sdp_session *sdp, const struct sdp_rewrite *put, const char *whole, size_t len)
{
	char *exact = malloc(len);

	must(exact && sdp_rewrite(sdp, put, exact, len - 1) == -EMSGSIZE);
	must(sdp_rewrite(sdp, put, exact, len) == (int)len && memcmp(exact, whole, len) == 0);
	free(exact);
}

static void ask(const struct sdp_session *sdp)
{
	struct net_addr addr;

	must(sdp_main_media(sdp) < sdp->media_count);
	for (int i = 0; i < sdp->media_count; i++) {
		const struct sdp_media *media = &sdp->media[i];

		sdp_media_addr(sdp, media, &addr);
		sdp_media_rtcp_addr(sdp, media, &addr);
		sdp_codec_name(media);
		sdp_telephone_event(media);
		sdp_media_attribute(media, "fmtp");
		check_names(media);
	}
}

static void fill(struct sdp_rewrite *put, const struct sdp_session *sdp)
{
	*put = (struct sdp_rewrite){
	    .addr = {.ip = {192, 0, 2, 1}, .family = NET_IP4}, .version = 7, .keep = sdp->media_count % 3 == 2};
	for (int i = 0; i < sdp->media_count; i++)
		put->media[i] = (struct sdp_put){.port = 40000, .reject = i % 2};
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct sdp_session sdp, again;
	static char out[2 * SDP_BODY_MAX];
	struct sdp_rewrite put;
	int len;

	if (sdp_parse(&sdp, sip_text((const char *)data, size)) != 0)
		return 0;
	ask(&sdp);
	fill(&put, &sdp);
	len = sdp_rewrite(&sdp, &put, out, sizeof(out));
	must(len > 0 || len == -EMSGSIZE);
	if (len > 0)
		check_room(&sdp, &put, out, (size_t)len);
	if (len <= 0 || len > SDP_BODY_MAX || sdp_parse(&again, sip_text(out, (size_t)len)) == -E2BIG)
		return 0;
	must(sdp_parse(&again, sip_text(out, (size_t)len)) == 0);
	must(again.media_count == sdp.media_count);
	for (int i = 0; i < sdp.media_count; i++)
		must(again.media[i].port == (put.keep                                        ? sdp.media[i].port
					     : sdp.media[i].port == 0 || put.media[i].reject ? 0
											     : 40000));
	return 0;
}
