FROM scratch
ENV FILE=archive.tar.gz DIR=/usr/local/lib
ENV A=${FILE#*.} B=${FILE##*.} C=${FILE%.*} D=${FILE%%.*}
ENV E=${DIR/local/share} F=${DIR//\//-} G=${DIR/#\/usr/x} H=${FILE/%gz/bz2}
ENV I=${FILE#a?c} J=${FILE%[a-z]*}
