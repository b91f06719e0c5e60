// Each test file loads this file again, but a module that it imports only once per process.
import './wait-longer.ts';
