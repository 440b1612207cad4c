/* Frequency tables as bits: Elias gamma codes of gaps and frequencies. */
#ifndef DLV_TABLE_H
#define DLV_TABLE_H

#include "buffer.h"
#include "rans.h"

/* Writes `classes` tables, padded to a whole byte. */
int table_write(const rans_table *tables, uint32_t classes, dlv_buffer *out);
/* Reads them; every table adds up to RANS_TOTAL. Returns 0 or −1. */
int table_read(dlv_input *input, rans_table *tables, uint32_t classes);

#endif
