/* SPDX-License-Identifier: Apache-2.0 */
#include "stats.h"

const struct stat_info stat_info[STAT_COUNT] = {
#define STAT(group, name) {#group, #name},
#include "stats.def"
#undef STAT
};

const char *const latency_name[LATENCY_COUNT] = {
#define LATENCY(name) #name,
#include "latencies.def"
#undef LATENCY
};

const char *const message_name[MESSAGE_TYPES] = {
#define MESSAGE(id, text) text,
#include "messages.def"
#undef MESSAGE
};

const char *const role_name[ROLES] = {"caller", "callee", "phone"};
const char *const way_name[WAYS] = {"sent", "received", "sent_again", "received_again"};

static enum message_type success_type(enum view_method method)
{
	switch (method) {
	case VIEW_INVITE:
		return MESSAGE_TYPE_200_INVITE;
	case VIEW_BYE:
		return MESSAGE_TYPE_200_BYE;
	case VIEW_CANCEL:
		return MESSAGE_TYPE_200_CANCEL;
	case VIEW_REGISTER:
		return MESSAGE_TYPE_200_REGISTER;
	default:
		return MESSAGE_TYPE_2XX;
	}
}

static enum message_type response_type(unsigned int code)
{
	static const struct {
		uint16_t code;
		uint8_t type;
	} single[] = {{100, MESSAGE_TYPE_100}, {180, MESSAGE_TYPE_180}, {183, MESSAGE_TYPE_183},
		      {401, MESSAGE_TYPE_401}, {407, MESSAGE_TYPE_407}, {481, MESSAGE_TYPE_481},
		      {486, MESSAGE_TYPE_486}, {487, MESSAGE_TYPE_487}, {503, MESSAGE_TYPE_503}};
	static const uint8_t class[] = {MESSAGE_TYPE_1XX, MESSAGE_TYPE_1XX, MESSAGE_TYPE_2XX, MESSAGE_TYPE_3XX,
					MESSAGE_TYPE_4XX, MESSAGE_TYPE_5XX, MESSAGE_TYPE_6XX};

	for (unsigned int i = 0; i < sizeof(single) / sizeof(*single); i++)
		if (single[i].code == code)
			return single[i].type;
	return class[code / 100 < 7 ? code / 100 : 6];
}

enum message_type message_type(enum view_method method, unsigned int code)
{
	static const uint8_t request[] = {
	    [VIEW_OTHER] = MESSAGE_TYPE_METHOD,    [VIEW_INVITE] = MESSAGE_TYPE_INVITE,
	    [VIEW_ACK] = MESSAGE_TYPE_ACK,         [VIEW_BYE] = MESSAGE_TYPE_BYE,
	    [VIEW_CANCEL] = MESSAGE_TYPE_CANCEL,   [VIEW_REGISTER] = MESSAGE_TYPE_REGISTER,
	    [VIEW_OPTIONS] = MESSAGE_TYPE_OPTIONS, [VIEW_UPDATE] = MESSAGE_TYPE_UPDATE};

	if (code == 0)
		return request[method];
	return code == 200 ? success_type(method) : response_type(code);
}
