FROM scratch
ADD fake.tar.gz /fake/
ADD fake.tar.gz /renamed
ADD empty a.txt dir /more/
