"""The client of Xet with a folder as its store. put STORE FILE... prints hash:bytes of each file;
get STORE HASH:BYTES FILE ... writes them."""
import sys
import hf_xet

verb, store, *rest = sys.argv[1:]
endpoint = "local://" + store
if verb == "put":
    for info in hf_xet.upload_files(rest, endpoint, None, None, None, "model"):
        print(f"{info.hash}:{info.file_size if hasattr(info, 'file_size') else info.filesize}")
else:
    wanted = []
    for key, target in zip(rest[::2], rest[1::2]):
        digest, size = key.split(":")
        wanted.append(
            hf_xet.PyXetDownloadInfo(destination_path=target, hash=digest, file_size=int(size))
        )
    hf_xet.download_files(wanted, endpoint, None, None, None)
