FROM scratch
ADD --unpack=false plain.tar /kept/
ADD --unpack=true zipped.tar.gz /unpacked/
