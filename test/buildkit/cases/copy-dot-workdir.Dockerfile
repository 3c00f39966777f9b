FROM scratch
WORKDIR /srv/app
COPY dir .
COPY a.txt ./
COPY b.txt sub2/
COPY c.md ../up
