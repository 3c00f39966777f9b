FROM docker.io/pipelayer-test/small:1
RUN mv /opt/pack /opt/moved && mv /etc/conf.d/x.conf /etc/y.conf
RUN mv /home /house && mkdir /home
RUN mv /var/lib /var/library
