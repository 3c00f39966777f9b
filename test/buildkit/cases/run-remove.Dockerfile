FROM docker.io/pipelayer-test/small:1
RUN rm -rf /var/lib/data && mkdir /var/lib/data && echo new > /var/lib/data/only
RUN rm -r /opt /etc/group
RUN rm -rf /srv && ln -s /home /srv
