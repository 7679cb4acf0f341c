/* fuzz/secret_fuzz.c: any bytes as what secrets are read from: the first byte says as what. A file of secrets that is accepted holds only what can
 * be used, and finds it; what is refused says why. A sealed text opens only when it was sealed here; what is sealed opens to the same values. */
#include "fuzz.h"
#include "base/limits.h"
#include "secret/place.h"
#include "secret/seal.h"
#include "secret/values.h"

static void fuzz_file(struct str text)
{
	struct problem problem = { 0 };
	struct str twice = { 0 };
	struct rack *rack = rack_new(SECRET_PLACE_MAX);
	CHECK(rack != NULL);
	enum err err = place_read_json(text, rack, &problem);
	CHECK(err == E_OK || problem.detail[0]);
	if (!err && rack_close(rack, &twice) == E_OK) {
		for (const struct rack_entry *entry = rack->first; entry; entry = entry->next) {
			CHECK(rack_find(rack, &entry->name, 1) == entry);
			CHECK(entry->count >= 1 && entry->count <= SECRET_VALUES);
			for (uint32_t i = 0; i < entry->count; i++)
				CHECK(secret_value_refusal(entry->values[i].bytes) == NULL);
		}
	}
	rack_drop(rack);
}

static const unsigned char nonce[AEAD_NONCE_BYTES] = "twelve bytes";

static void fuzz_sealed(struct str text, const struct key_ring *ring)
{
	char id[SECRET_KEY_ID_BYTES + 1];
	struct vault vault = { 0 };
	struct secret secret;
	enum err err = seal_read(ring, STR("default"), STR("crm"), text, &vault, &secret);
	CHECK(err == E_INVALID || err == E_SECRET_SEALED); /* nobody guesses a tag */
	(void)secret_sealed_key(text, id);
	vault_fini(&vault);
}

/* The text's lines as values. */
static void fuzz_values(struct str text, const struct key_ring *ring)
{
	struct secret secret = { 0 }, again;
	struct vault vault = { 0 };
	struct buf sealed = { .max_bytes = LIMIT_NAMED_BYTES };
	for (; text.len && secret.count < SECRET_VALUES; secret.count++) {
		size_t end = str_index(text, '\n');
		secret.values[secret.count] = (struct secret_value){ { text.ptr, end }, (int64_t)secret.count * 86400000000 };
		text = str_from(text, end + 1);
	}
	if (seal_write(&ring->keys[0], STR("default"), STR("crm"), &secret, nonce, &sealed) == E_OK) {
		CHECK(seal_read(ring, STR("default"), STR("crm"), buf_str(&sealed), &vault, &again) == E_OK);
		CHECK(again.count == secret.count);
		for (uint32_t i = 0; i < secret.count; i++) {
			CHECK(str_eq(again.values[i].bytes, secret.values[i].bytes));
			CHECK(again.values[i].until_us == secret.values[i].until_us);
		}
		CHECK(seal_read(ring, STR("default"), STR("other"), buf_str(&sealed), &vault, &again) == E_INVALID);
	}
	vault_fini(&vault);
	buf_fini(&sealed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ring_key key = { .bytes = "a key of thirty-two bytes, whole", .id = "0123456789abcdef" };
	const struct key_ring ring = { .keys = &key, .count = 1 };
	if (!size)
		return 0;
	struct str text = fuzz_str(data + 1, size - 1);
	switch (data[0]) {
	case 's': fuzz_sealed(text, &ring); break;
	case 'v': fuzz_values(text, &ring); break;
	default: fuzz_file(text); break;
	}
	return 0;
}
