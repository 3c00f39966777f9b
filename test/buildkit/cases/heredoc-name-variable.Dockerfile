FROM docker.io/pipelayer-test/small:1
ENV N=x
COPY <<un$N /a/
text $N
un$N
COPY <<un${N}b <<plain.txt /b/
text
un${N}b
more
plain.txt
