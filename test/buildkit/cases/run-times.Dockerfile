FROM docker.io/pipelayer-test/small:1
RUN touch -d @1111111111 /etc/passwd /new && touch -d @1111111112 /home
RUN touch -hd @1111111113 /var/run
