FROM docker.io/pipelayer-test/small:1
COPY <<'two words' /b/
text
two words
