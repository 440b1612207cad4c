"""Bytes of files as ZipNN writes them at its defaults for fp32, one number a line."""
import sys
import zipnn

for name in sys.argv[1:]:
    with open(name, "rb") as file:
        content = file.read()
    coder = zipnn.ZipNN(bytearray_dtype="float32", input_format="byte")
    # It may reorder what it is given, in place.
    coded = coder.compress(bytes(bytearray(content)))
    decoder = zipnn.ZipNN(bytearray_dtype="float32", input_format="byte")
    assert bytes(decoder.decompress(coded)) == content
    print(len(coded))
