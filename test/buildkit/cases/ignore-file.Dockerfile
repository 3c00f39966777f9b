FROM scratch
COPY . /all/
COPY logs /logs
COPY *.txt /txt/
