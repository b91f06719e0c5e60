// Each file of tests loads this anew, and a module that it imports only once in a process.
import './wait-longer.ts';
