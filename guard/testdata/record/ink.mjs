// A text typed into a box of Ink beside a spinner: node ink.mjs [incremental], the text in VALUE.
import {createElement as h, useEffect, useState} from 'react';
import {Box, Text, render} from 'ink';

const value = process.env.VALUE;

function App() {
  const [n, setN] = useState(0);
  useEffect(() => {
    const timer = setInterval(() => setN(n => n + 1), 15);
    return () => clearInterval(timer);
  }, []);
  useEffect(() => {
    if (n > value.length + 5) process.exit(0);
  }, [n]);
  return h(Box, {flexDirection: 'column', borderStyle: 'round', width: process.stdout.columns},
    h(Text, {color: 'green'}, '⠋⠙⠹⠸⠼⠴'[n % 6] + ' working ' + n),
    h(Text, null, value.slice(0, n)),
    h(Text, {dimColor: true}, 'esc to interrupt'));
}

render(h(App), {incrementalRendering: process.argv[2] === 'incremental', maxFps: 60});
