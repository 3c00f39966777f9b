FROM docker.io/pipelayer-test/small:1
RUN touch /etc/passwd
RUN chmod 644 /etc/passwd && chmod 755 /etc
RUN cat /etc/group > /tmp/g && cat /tmp/g > /etc/group && rm /tmp/g
