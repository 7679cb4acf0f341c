#include "api/scene.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#define NONE    "{\"verify\":{\"kind\":\"none\"},\"into\":{\"message\":{\"type\":\"a\"}}}"
#define GITHUB  "{\"verify\":{\"kind\":\"github\",\"secret\":\"gh\"},\"into\":{\"message\":{\"type\":\"a\"}}}"
#define WRONG   "X-Hub-Signature-256: sha256=0000000000000000000000000000000000000000000000000000000000000000\r\n"
#define WRONG_PASSWORD "Authorization: Basic b25lMg==\r\n"

static void tell(struct scene *scene, const char *name, const char *text)
{
	struct effect_named named = { .kind = NAMED_SOURCE, .number = 1, .namespace_name = STR("default"), .name = str_of(name),
				      .text = text ? shared_text_new(str_of(text), 1) : NULL };
	assert_int_equal(api_named(scene->api, &named), E_OK);
	shared_text_drop(named.text);
}

static void know_secret(struct scene *scene)
{
	const struct secret secret = { .values = { { .bytes = STR("one") } }, .count = 1 };
	static const unsigned char nonce[SECRET_NONCE_BYTES];
	struct buf sealed;
	buf_init(&sealed, 65536);
	assert_int_equal(secret_seal(scene->secrets, STR("default"), STR("gh"), &secret, nonce, &sealed, NULL), E_OK);
	assert_int_equal(secrets_put(scene->secrets, STR("default"), STR("gh"), buf_str(&sealed), 1), E_OK);
	buf_fini(&sealed);
}

static int receive(struct scene *scene, const char *name, const char *headers)
{
	char path[64];
	snprintf(path, sizeof(path), "/in/%s", name);
	scene_send(scene, "POST", path, headers, STR("{\"n\":1}"));
	return scene->status;
}

static void refusals_are_told_once_a_minute(void **state)
{
	struct scene scene;
	(void)state;
	scene_open(&scene, false, 0);
	know_secret(&scene);
	tell(&scene, "gh", GITHUB);
	tell(&scene, "other", GITHUB);
	for (int i = 0; i < 5; i++)
		assert_int_equal(receive(&scene, "gh", WRONG), 401);
	assert_int_equal(scene.told_distrust, 1);
	assert_int_equal(scene.distrust_count, 1);
	assert_int_equal(receive(&scene, "other", WRONG), 401); /* of its own */
	assert_int_equal(scene.told_distrust, 2);
	tell(&scene, "gh", GITHUB); /* put anew: no new minute */
	scene.now_us += 59 * INT64_C(1000000);
	assert_int_equal(receive(&scene, "gh", NULL), 401);
	assert_int_equal(scene.told_distrust, 2);
	scene.now_us += INT64_C(1000000);
	assert_int_equal(receive(&scene, "gh", NULL), 401);
	assert_int_equal(scene.told_distrust, 3);
	assert_int_equal(scene.distrust_count, 6);
	scene.now_us -= INT64_C(3600000000); /* the clock jumped back */
	assert_int_equal(receive(&scene, "gh", NULL), 401);
	assert_int_equal(scene.told_distrust, 4);
	scene_close(&scene);
}

/* A password is judged by the head, in the same way with a body and without; who was wrong too often is not listened to for the rest of a minute. */
static void who_guesses_at_a_password_waits(void **state)
{
	struct scene scene;
	(void)state;
	scene_open(&scene, false, 0);
	know_secret(&scene);
	tell(&scene, "gh", "{\"verify\":{\"kind\":\"basic\",\"secret\":\"gh\"},\"into\":{\"message\":{\"type\":\"a\"}}}");
	tell(&scene, "other", "{\"verify\":{\"kind\":\"basic\",\"secret\":\"gh\"},\"into\":{\"message\":{\"type\":\"a\"}}}");
	for (int i = 0; i < 10; i++) {
		if (i % 3 == 2)
			scene_send(&scene, "POST", "/in/gh", WRONG_PASSWORD, STR("")); /* no body */
		else if (i % 3 == 1)
			scene_send(&scene, "POST", "/in/gh", WRONG_PASSWORD "Content-Length: 900000\r\n", STR("")); /* refused by its head */
		else
			receive(&scene, "gh", WRONG_PASSWORD);
		assert_int_equal(scene.status, 401);
		assert_true(str_eq(scene_header(&scene, "WWW-Authenticate"), STR("Basic realm=\"ruche\"")));
		if (i % 3 == 1)
			scene_hang_up(&scene);
	}
	assert_int_equal(scene.told_distrust, 1);
	scene.now_us += 20 * INT64_C(1000000);
	assert_int_equal(receive(&scene, "gh", "Authorization: Basic b25l\r\n"), 429); /* "one": right, and not looked at */
	assert_true(str_eq(scene_header(&scene, "Retry-After"), STR("40")));
	scene_send(&scene, "POST", "/in/gh", "Authorization: Basic b25l\r\n", STR(""));
	assert_int_equal(scene.status, 429);
	receive(&scene, "other", "Authorization: Basic b25l\r\n");
	struct request *request = scene_request(&scene);
	request->ops[0].result.uid = 77;
	scene_reply(&scene, request);
	assert_int_equal(scene.status, 202);
	scene.now_us += 40 * INT64_C(1000000);
	receive(&scene, "gh", "Authorization: Basic b25l\r\n");
	request = scene_request(&scene);
	request->ops[0].result.uid = 78;
	scene_reply(&scene, request);
	assert_int_equal(scene.status, 202);
	scene_close(&scene);
}

/* Many programs say their password only once they were asked for it (WWW-Authenticate). */
static void who_says_no_password_has_not_guessed(void **state)
{
	struct scene scene;
	(void)state;
	scene_open(&scene, false, 0);
	know_secret(&scene);
	tell(&scene, "gh", "{\"verify\":{\"kind\":\"basic\",\"secret\":\"gh\"},\"into\":{\"message\":{\"type\":\"a\"}}}");
	for (int i = 0; i < 30; i++)
		assert_int_equal(receive(&scene, "gh", NULL), 401);
	receive(&scene, "gh", "Authorization: Basic b25l\r\n");
	struct request *request = scene_request(&scene);
	request->ops[0].result.uid = 77;
	scene_reply(&scene, request);
	assert_int_equal(scene.status, 202);
	scene_close(&scene);
}

static void sources_are_as_told_last(void **state)
{
	struct scene scene;
	(void)state;
	scene_open(&scene, false, 0);
	assert_int_equal(receive(&scene, "gh", NULL), 404);
	tell(&scene, "gh", NONE);
	receive(&scene, "gh", NULL);
	struct request *request = scene_request(&scene);
	assert_int_equal(request->ops[0].kind, OP_MESSAGE);
	assert_true(str_eq(request->ops[0].message.payload, STR("{\"n\":1}")));
	tell(&scene, "gh", NULL); /* while it is on its way */
	request->ops[0].result.uid = 77;
	scene_reply(&scene, request);
	assert_int_equal(scene.status, 202);
	assert_int_equal(receive(&scene, "gh", NULL), 404);
	tell(&scene, "gh", "{\"verify\":{\"kind\":\"of tomorrow\"}}"); /* of a newer program: nobody is believed */
	assert_int_equal(receive(&scene, "gh", NULL), 503);
	tell(&scene, "gh", GITHUB);
	assert_int_equal(receive(&scene, "gh", WRONG), 503); /* no secret */
	tell(&scene, "gh", NONE);
	const struct effect_named all = { .kind = NAMED_ENDPOINT };
	assert_int_equal(api_named(scene.api, &all), E_OK);
	assert_int_equal(receive(&scene, "gh", NULL), 404);
	scene_close(&scene);
}

static void a_name_of_others_is_one_of_ours(void **state)
{
	struct scene scene;
	(void)state;
	scene_open(&scene, false, 0);
	tell(&scene, "gh", "{\"verify\":{\"kind\":\"none\"},\"into\":{\"job\":{\"queue\":\"q\",\"name\":\"$.a\"}}}");
	scene_send(&scene, "POST", "/in/gh", NULL, STR("{\"a\":\"\u00e9\\u001b[2J\\n\"}"));
	struct request *request = scene_request(&scene);
	assert_true(str_eq(request->ops[0].enqueue.name, STR("\u00e9_[2J_")));
	request->ops[0].result.uid = 77;
	scene_reply(&scene, request);
	assert_int_equal(scene.status, 202);
	scene_close(&scene);
}

static void a_repeat_is_told(void **state)
{
	struct scene scene;
	(void)state;
	scene_open(&scene, false, 0);
	tell(&scene, "gh", NONE);
	receive(&scene, "gh", NULL);
	struct request *request = scene_request(&scene);
	request->ops[0].result.uid = 77;
	request->ops[0].result.duplicate = true;
	scene_reply(&scene, request);
	assert_int_equal(scene.status, 200);
	assert_true(str_eq(scene.body, STR("{\"id\":\"msg_000000000002d\",\"duplicate\":true}")));
	receive(&scene, "gh", NULL);
	request = scene_request(&scene);
	request->err = E_STORE_FULL;
	scene_reply(&scene, request);
	assert_int_equal(scene.status, 507);
	scene_close(&scene);
}

/* Otherwise a token that is limited elsewhere could ask for names one after the other. */
static void others_learn_no_names(void **state)
{
	static const char *const names[] = { "gh", "none" };
	struct scene scene;
	(void)state;
	scene_open(&scene, false, 0);
	know_secret(&scene);
	tell(&scene, "gh", GITHUB);
	scene_token(&scene, "operate", "[\"mail\"]");
	scene_as(&scene, 0);
	for (size_t i = 0; i < ARRAY_COUNT(names); i++) {
		char path[64], body[160];
		snprintf(path, sizeof(path), "/v1/sources/%s", names[i]);
		scene_send(&scene, "PATCH", path, NULL, STR("{\"id\":\"$.id\"}"));
		assert_int_equal(scene.status, 403);
		snprintf(body, sizeof(body), "{\"verify\":{\"kind\":\"github\",\"secret\":\"%s\"},\"into\":{\"job\":{\"queue\":\"mail\"}}}", names[i]);
		scene_send(&scene, "PUT", "/v1/sources/new", NULL, str_of(body));
		assert_int_equal(scene.status, 403);
	}
	scene_close(&scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(refusals_are_told_once_a_minute), cmocka_unit_test(who_guesses_at_a_password_waits),
		                            cmocka_unit_test(who_says_no_password_has_not_guessed), cmocka_unit_test(sources_are_as_told_last),
		                            cmocka_unit_test(a_name_of_others_is_one_of_ours), cmocka_unit_test(a_repeat_is_told),
		                            cmocka_unit_test(others_learn_no_names) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
