/* src/api/openapi.h: the OpenAPI 3.1 document, written from the tables that the API itself runs on: routes, their parameters, and the
 * fields of every operation. */
#pragma once
#include "base/buf.h"

void openapi_write(struct buf *out, const char *version);
