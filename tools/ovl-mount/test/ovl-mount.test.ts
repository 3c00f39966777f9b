import t from 'tap'
