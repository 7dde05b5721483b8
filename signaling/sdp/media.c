/* SPDX-License-Identifier: Apache-2.0 */
/* Questions about a parsed description. */
#include "signaling/sdp/sdp.h"

#include "signaling/sdp/lines.h"

static const struct sdp_connection *connection_of(const struct sdp_session *sdp, const struct sdp_media *media)
{
	return media->connection.host.at ? &media->connection : &sdp->connection;
}

void sdp_media_addr(const struct sdp_session *sdp, const struct sdp_media *media, struct net_addr *rtp)
{
	*rtp = connection_of(sdp, media)->addr;
	if (rtp->family != NET_NONE)
		rtp->port = media->port;
}

void sdp_media_rtcp_addr(const struct sdp_session *sdp, const struct sdp_media *media, struct net_addr *rtcp)
{
	sdp_media_addr(sdp, media, rtcp);
	if (rtcp->family == NET_NONE || media->rtcp_mux || media->port == 0)
		return;
	if (media->has_rtcp) {
		if (media->rtcp_addr.family != NET_NONE)
			*rtcp = media->rtcp_addr;
		rtcp->port = media->rtcp_port;
	} else {
		rtcp->port = media->port < UINT16_MAX ? (uint16_t)(media->port + 1) : 0;
	}
}

static bool is_rtp(struct sip_text proto)
{
	static const char *const protos[] = {"RTP/AVP",   "RTP/AVPF",         "RTP/SAVP",
					     "RTP/SAVPF", "UDP/TLS/RTP/SAVP", "UDP/TLS/RTP/SAVPF"};

	for (size_t p = 0; p < sizeof(protos) / sizeof(protos[0]); p++)
		if (sip_text_is_nocase(proto, protos[p]))
			return true;
	return false;
}

int sdp_main_media(const struct sdp_session *sdp)
{
	int image = -ENOENT;

	for (int i = 0; i < sdp->media_count; i++) {
		const struct sdp_media *media = &sdp->media[i];

		if (media->port && media->kind == SDP_AUDIO && is_rtp(media->proto))
			return i;
		if (media->port && media->kind == SDP_IMAGE && image < 0 && sip_text_is_nocase(media->proto, "udptl"))
			image = i;
	}
	return image;
}

/* RFC 3551 table 4: payload types that need no rtpmap. */
static const struct {
	uint8_t type;
	struct sip_text name;
} static_types[] = {
    {0, SIP_TEXT_INIT("PCMU/8000")},   {3, SIP_TEXT_INIT("GSM/8000")},    {4, SIP_TEXT_INIT("G723/8000")},
    {5, SIP_TEXT_INIT("DVI4/8000")},   {6, SIP_TEXT_INIT("DVI4/16000")},  {7, SIP_TEXT_INIT("LPC/8000")},
    {8, SIP_TEXT_INIT("PCMA/8000")},   {9, SIP_TEXT_INIT("G722/8000")},   {10, SIP_TEXT_INIT("L16/44100/2")},
    {11, SIP_TEXT_INIT("L16/44100")},  {12, SIP_TEXT_INIT("QCELP/8000")}, {13, SIP_TEXT_INIT("CN/8000")},
    {14, SIP_TEXT_INIT("MPA/90000")},  {15, SIP_TEXT_INIT("G728/8000")},  {16, SIP_TEXT_INIT("DVI4/11025")},
    {17, SIP_TEXT_INIT("DVI4/22050")}, {18, SIP_TEXT_INIT("G729/8000")},  {26, SIP_TEXT_INIT("JPEG/90000")},
    {31, SIP_TEXT_INIT("H261/90000")}, {32, SIP_TEXT_INIT("MPV/90000")},  {33, SIP_TEXT_INIT("MP2T/90000")},
    {34, SIP_TEXT_INIT("H263/90000")},
};

struct attributes {
	const char *at, *end;
};

static struct attributes attributes_of(const struct sdp_media *media)
{
	return (struct attributes){media->lines.at, sip_text_end(media->lines)};
}

static bool next_attribute(struct attributes *it, struct sip_text *name, struct sip_text *value)
{
	struct sdp_line line;

	while (sdp_next_line(&it->at, it->end, &line) == 1) {
		if (line.type != 'a')
			continue;
		*name = sdp_attribute_name(line.value, value);
		return true;
	}
	return false;
}

struct sip_text sdp_media_attribute(const struct sdp_media *media, const char *name)
{
	struct attributes it = attributes_of(media);
	struct sip_text found, value;

	while (next_attribute(&it, &found, &value))
		if (sip_text_is(found, name))
			return value;
	return (struct sip_text){NULL, 0};
}

static struct sip_text static_name(struct sip_text format)
{
	uint32_t type;

	if (sip_text_to_u32(format, &type) == 0)
		for (size_t i = 0; i < sizeof(static_types) / sizeof(static_types[0]); i++)
			if (static_types[i].type == type)
				return static_types[i].name;
	return (struct sip_text){NULL, 0};
}

/* Of one of the formats that are kept. */
static struct sip_text name_of(const struct sdp_media *media, int index)
{
	const struct sdp_rtpmap *map = &media->rtpmap[index];

	return map->at ? sip_text(media->lines.at + map->at, map->len) : static_name(media->format[index]);
}

struct sip_text sdp_format_name(const struct sdp_media *media, struct sip_text format)
{
	struct attributes it = attributes_of(media);
	struct sip_text name, value;

	for (int i = 0; i < media->format_count; i++)
		if (sip_text_equal(media->format[i], format))
			return name_of(media, i);
	while (next_attribute(&it, &name, &value))
		if (sip_text_is(name, "rtpmap") && sip_text_equal(sdp_word(&value), format))
			return sip_text_trim(value);
	return static_name(format);
}

/* The encoding before the clock rate: "PCMA" of "PCMA/8000". */
static struct sip_text encoding_of(struct sip_text name)
{
	const char *slash = name.len ? memchr(name.at, '/', name.len) : NULL;

	return slash ? sip_text_span(name.at, slash) : name;
}

struct sip_text sdp_codec_name(const struct sdp_media *media)
{
	for (int i = 0; i < media->format_count; i++) {
		struct sip_text name = name_of(media, i), encoding = encoding_of(name);

		if (name.at && !sip_text_is_nocase(encoding, "telephone-event") &&
		    !sip_text_is_nocase(encoding, "CN") && !sip_text_is_nocase(encoding, "red"))
			return name;
	}
	return (struct sip_text){NULL, 0};
}

int sdp_telephone_event(const struct sdp_media *media)
{
	uint32_t type;

	for (int i = 0; i < media->format_count; i++) {
		struct sip_text name = name_of(media, i);

		if (sip_text_is_nocase(encoding_of(name), "telephone-event") &&
		    sip_text_to_u32(media->format[i], &type) == 0 && type <= 127)
			return (int)type;
	}
	return -ENOENT;
}
