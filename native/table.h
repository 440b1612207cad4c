/* Frequency tables: fitted to counts, and as bits. See docs/format/codec.md, "Tables". */
#ifndef DLV_TABLE_H
#define DLV_TABLE_H

#include "buffer.h"
#include "rans.h"

/*
 * Cost in 1/65536 bit of coding symbols with these counts by the table that table_fit makes, and of that
 * table. counts: of a sample of `sampled` of `whole` symbols, so the cost of the table counts in part.
 */
uint64_t table_cost(const uint32_t *counts, uint32_t sampled, uint32_t whole);
/*
 * Frequencies for counts (not all zero): every counted symbol gets at least 1. Neighbours get equal
 * ones where telling them apart would cost more than it saves.
 */
void table_fit(const uint32_t *counts, rans_table *table);

/* Writes `tables` tables, padded to a whole byte. */
int table_write(const rans_table *tables, uint32_t count, dlv_buffer *out);
/* Reads them; every table adds up to RANS_TOTAL. Returns 0 or −1. */
int table_read(dlv_input *input, rans_table *tables, uint32_t count);

#endif
