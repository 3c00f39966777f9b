FROM scratch
ADD plain.tar /plain/
ADD zipped.tar.gz /gz/
ADD bzipped.tar.bz2 /bz2/
ADD xzipped.tar.xz /xz
ADD zstandard.tar.zst /zst/
ADD no-extension /named
