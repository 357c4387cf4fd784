/* SHA-256 (FIPS 180-4) for the probe, which links nothing but the C library. */
#ifndef LAYERMARK_SCENARIO_PROGRAMS_SHA256_H_
#define LAYERMARK_SCENARIO_PROGRAMS_SHA256_H_

#include <stddef.h>
#include <stdint.h>

struct sha256 {
  uint32_t state[8];
  uint64_t total;
  unsigned char block[64];
};

void sha256_start(struct sha256* sum);
void sha256_add(struct sha256* sum, const unsigned char* data, size_t size);
/* `text` holds 65 bytes: the digest in hexadecimal and a NUL. */
void sha256_end(struct sha256* sum, char* text);

#endif
