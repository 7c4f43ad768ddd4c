// As paired.py, with node's http: paired.js BARE LATE PAIRS
'use strict';
const http = require('http');
const [bare, late, pairs] = process.argv.slice(2).map(Number);
const lanes = 4, took = [];

function ask(agent, port) {
    return new Promise((resolve, reject) => {
        const start = process.hrtime.bigint();
        http.get({ agent, port, host: '127.0.0.1' }, (answer) => {
            let body = '';
            answer.on('data', (more) => (body += more));
            answer.on('end', () => {
                if (body !== 'ok') reject(new Error(body));
                setImmediate(() => resolve(Number(process.hrtime.bigint() - start) / 1e6));
            });
        }).on('error', reject);
    });
}

async function lane() {
    const agents = [0, 1].map(() => new http.Agent({ keepAlive: true, maxSockets: 1 }));
    for (let i = 0; i < Math.ceil(pairs / lanes); i++)
        took.push([await ask(agents[0], bare), await ask(agents[1], late)]);
    agents.forEach((agent) => agent.destroy());
}

function median(numbers) {
    return numbers.sort((a, b) => a - b)[numbers.length >> 1].toFixed(3);
}

Promise.all(Array.from({ length: lanes }, lane)).then(() =>
    console.log(median(took.map(([a, b]) => b - a)), median(took.map(([a]) => a))));
