/* src/deliver/secret_port.h: how deliveries come by the values of secrets. Zeroed, it knows none. Called on the deliver thread only. */
#pragma once
#include "base/str.h"

#define SECRET_PORT_VALUES 10
struct secret_values { /* the current one first, then those that are being rotated out and still live */
	struct str values[SECRET_PORT_VALUES];
	uint32_t count;
};
struct secret_port {
	void *context;
	void *(*hold)(void *context);  /* all secrets as they are now; what is found in it stays valid until it is dropped. NULL: no memory */
	bool (*find)(void *snapshot, struct str namespace_name, struct str reference, int64_t now_us, struct secret_values *out); /* false: none */
	void (*drop)(void *snapshot);
};
