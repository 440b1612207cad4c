"""Bytes of files as ZipNN writes them at its defaults for fp32, one number a line."""
import sys
import zipnn

for name in sys.argv[1:]:
    with open(name, "rb") as file:
        content = file.read()
    coder = zipnn.ZipNN(bytearray_dtype="float32", input_format="byte")
    coded = coder.compress(content)
    assert bytes(zipnn.ZipNN(input_format="byte").decompress(coded)) == content
    print(len(coded))
