FROM scratch
ENV A=abcb N="$0"
ENV B="${A//b/<\$0>}" C=${A//b/\$\$} D=${A//b/\$1x} E=${A/b/\$0}
ENV F="${A//b/[$N]}" G=${A//\*/x} H=${A//b*/\$0\$0}
