/* SPDX-License-Identifier: Apache-2.0 */
/* The carrier honours route sets: behind a proxy its ACKs and BYEs take the way the proxies asked for. */
#include <arpa/inet.h>

#include "bench/carrier/carrier.h"
#include "tests/unit/check.h"

static struct side learn(const char *headers, bool caller)
{
	static struct side side;
	char text[2048];
	int len = snprintf(text, sizeof(text), "SIP/2.0 200 OK\r\n%sContent-Length: 0\r\n\r\n", headers);

	memset(&side, 0, sizeof(side));
	endpoint_parse(&side.next_hop, "192.0.2.1:5060");
	route_learn(&side, text, (size_t)len, caller);
	return side;
}

static void check_next_hop(const struct side *side, const char *expected)
{
	char text[80];

	endpoint_print(&side->next_hop, text, sizeof(text), true);
	CHECK_TEXT(text, strlen(text), expected);
}

static void contact_alone_is_target_and_next_hop(void)
{
	struct side side = learn("Contact: \"B, b\" <sip:b@192.0.2.9:5070;x=y>;q=1\r\n", true);

	CHECK_TEXT(side.target, strlen(side.target), "sip:b@192.0.2.9:5070;x=y");
	CHECK_TEXT(side.route, strlen(side.route), "");
	check_next_hop(&side, "192.0.2.9:5070");
}

static void route_set_keeps_its_order_for_the_callee(void)
{
	struct side side = learn("Record-Route: <sip:192.0.2.2;lr;did=1.2>, <sip:192.0.2.3:5080;lr>\r\n"
				 "Record-Route: <sip:p@192.0.2.4;lr=on>\r\nContact: <sip:a@192.0.2.9>\r\n",
				 false);

	CHECK_TEXT(side.target, strlen(side.target), "sip:a@192.0.2.9");
	CHECK_TEXT(side.route, strlen(side.route),
		   "Route: <sip:192.0.2.2;lr;did=1.2>\r\nRoute: <sip:192.0.2.3:5080;lr>\r\n"
		   "Route: <sip:p@192.0.2.4;lr=on>\r\n");
	check_next_hop(&side, "192.0.2.2:5060");
}

static void route_set_is_reversed_for_the_caller(void)
{
	struct side side = learn("Record-Route: <sip:192.0.2.2;lr>,<sip:192.0.2.3:5080;lr>\r\n"
				 "Record-Route: <sip:192.0.2.4:5090;lr>\r\nm: <sip:b@192.0.2.9>\r\n",
				 true);

	CHECK_TEXT(side.route, strlen(side.route),
		   "Route: <sip:192.0.2.4:5090;lr>\r\nRoute: <sip:192.0.2.3:5080;lr>\r\n"
		   "Route: <sip:192.0.2.2;lr>\r\n");
	check_next_hop(&side, "192.0.2.4:5090");
}

static void strict_router_takes_the_place_of_the_target(void)
{
	struct side side = learn("Record-Route: <sip:192.0.2.2>\r\nRecord-Route: <sip:192.0.2.3;lr>\r\n"
				 "Contact: <sip:a@192.0.2.9>\r\n",
				 false);

	CHECK_TEXT(side.target, strlen(side.target), "sip:192.0.2.2");
	CHECK_TEXT(side.route, strlen(side.route), "Route: <sip:192.0.2.3;lr>\r\nRoute: <sip:a@192.0.2.9>\r\n");
	check_next_hop(&side, "192.0.2.2:5060");
}

static void names_and_other_families_keep_the_next_hop(void)
{
	struct side side = learn("Contact: <sip:b@sip.example.net:5070>\r\n", true);

	check_next_hop(&side, "192.0.2.1:5060");
	side = learn("Contact: <sip:b@[2001:db8::1]:5070>\r\n", true);
	check_next_hop(&side, "192.0.2.1:5060");
	side = learn("", true);
	CHECK_TEXT(side.target, strlen(side.target), "");
	check_next_hop(&side, "192.0.2.1:5060");
}

static void commas_in_quotes_and_addresses_do_not_divide(void)
{
	const char *text = "x\r\nRoute: \"a, \\\", b\" <sip:x,y@h>;p , <sip:z>\r\nRoute: <sip:w>\r\n\r\n";
	char values[4][TEXT_MAX];

	CHECK_INT(text_values(text, strlen(text), "Route", NULL, values, 4), 3);
	CHECK_TEXT(values[0], strlen(values[0]), "\"a, \\\", b\" <sip:x,y@h>;p ");
	CHECK_TEXT(values[1], strlen(values[1]), "<sip:z>");
	CHECK_TEXT(values[2], strlen(values[2]), "<sip:w>");
	CHECK_INT(text_values(text, strlen(text), "Route", NULL, values, 2), 2);
}

int main(void)
{
	static const struct check_case cases[] = {
	    {"contact alone is target and next hop", contact_alone_is_target_and_next_hop},
	    {"route set keeps its order for the callee", route_set_keeps_its_order_for_the_callee},
	    {"route set is reversed for the caller", route_set_is_reversed_for_the_caller},
	    {"strict router takes the place of the target", strict_router_takes_the_place_of_the_target},
	    {"names and other families keep the next hop", names_and_other_families_keep_the_next_hop},
	    {"commas in quotes and addresses do not divide", commas_in_quotes_and_addresses_do_not_divide},
	};

	return check_main(cases, sizeof(cases) / sizeof(cases[0]));
}
