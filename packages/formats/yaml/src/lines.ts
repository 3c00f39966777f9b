/** Returns a function that gives the line of an offset. It counts each part of the text once where offsets grow. */
export function lineCounter(text: string, first: number): (offset: number) => number {
  let at = 0
  let line = first
  return offset => {
    if (offset < at) {
      at = 0
      line = first
    }
    for (let next = text.indexOf('\n', at); next >= 0 && next < offset; next = text.indexOf('\n', at)) {
      at = next + 1
      line++
    }
    return line
  }
}
