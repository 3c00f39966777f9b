FROM docker.io/pipelayer-test/small:1
RUN rm -rf /var/lib/data/below && echo file > /var/lib/data/below
RUN rm /var/lib/data/below && mkdir /var/lib/data/below && echo x > /var/lib/data/below/b
RUN rm -r /var/lib && mkdir -p /var/lib/data && echo y > /var/lib/data/file
