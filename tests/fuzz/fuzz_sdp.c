/* SPDX-License-Identifier: Apache-2.0 */
/* Any session description: read it, and write it with other addresses. What was written must be readable again. */
#include "signaling/sdp/sdp.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool condition)
{
	if (!condition)
		abort();
}

static void ask(const struct sdp_session *sdp)
{
	struct net_addr addr;

	must(sdp_first_audio(sdp) < sdp->media_count);
	for (int i = 0; i < sdp->media_count; i++) {
		const struct sdp_media *media = &sdp->media[i];

		sdp_media_addr(sdp, media, &addr);
		sdp_media_rtcp_addr(sdp, media, &addr);
		sdp_media_direction(sdp, media);
		sdp_codec_name(media);
		sdp_telephone_event(media);
		sdp_media_attribute(media, "fmtp");
	}
}

static void fill(struct sdp_rewrite *put, const struct sdp_session *sdp)
{
	*put = (struct sdp_rewrite){.addr = {.ip = {192, 0, 2, 1}, .family = NET_IP4}, .version = 7};
	for (int i = 0; i < sdp->media_count; i++) {
		put->media[i].rtp = put->addr;
		put->media[i].rtp.ip[3] = (uint8_t)(i + 1);
		put->media[i].rtp.port = 40000;
		put->media[i].reject = i % 3 == 1;
		put->media[i].keep = i % 3 == 2;
	}
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
	if (len <= 0 || len > SDP_BODY_MAX || sdp_parse(&again, sip_text(out, (size_t)len)) == -E2BIG)
		return 0;
	must(sdp_parse(&again, sip_text(out, (size_t)len)) == 0);
	must(again.media_count == sdp.media_count);
	for (int i = 0; i < sdp.media_count; i++)
		must(again.media[i].port == (sdp.media[i].port == 0 || (put.media[i].reject && !put.media[i].keep) ? 0
					     : put.media[i].keep ? sdp.media[i].port
								 : 40000));
	return 0;
}
